'use strict';
// Loaded before anything is drawn, so that the chosen theme never flashes.
(function () {
  document.documentElement.classList.add('scripted');
  try {
    const chosen = localStorage.getItem('gitml-theme');
    if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
  } catch (e) { /* storage may be forbidden */ }
})();

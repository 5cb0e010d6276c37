'use strict';
// The filter of pages that show many runs: what is typed, statuses, an experiment.
gitml.filter = (function () {
  const { $, element } = gitml;

  // What is typed as {test, where, said}: an expression, or part of a name. Throws what gitml.where throws.
  function understood(text, runs) {
    if (!text.trim()) return { test: () => true, where: '', said: '' };
    try {
      return { test: gitml.where(text, runs), where: text, said: '' };
    } catch (problem) {
      if (!/^[\w\s./@:-]+$/.test(text) || /[<>=]|\b(and|or|not|like|in|is)\b/i.test(text)) throw problem;
      const word = text.trim().toLowerCase(), keys = ['name', 'experiment', 'branch', ...runs.names.tags.map(n => 'tags.' + n)];
      const texts = keys.map(key => runs.column(key));
      // Versions and stages are no attributes of runs: which runs are meant is told by their ids.
      const made = new Set([...runs.made.keys()].filter(at => runs.told(at).toLowerCase().includes(word)));
      const ids = [...made].map(at => "'" + runs.ids[at] + "'").join(', ');
      return {
        test: at => runs.ids[at].startsWith(word) || made.has(at) || texts.some(get => String(get(at) || '').toLowerCase().includes(word)),
        where: [`substr(id, 1, ${word.length}) = '${word}'`, ...keys.map(key => `instr(lower(${runs.full(key)}), '${word}') > 0`), ...(ids ? [`id in (${ids})`] : [])].join(' or '),
        said: (runs.made.size ? 'Names, experiments, branches, tags, versions and stages with “' : 'Names, experiments, branches and tags with “') + text.trim() + '”',
      };
    }
  }
  // The rows that pass, or null where the expression means nothing; the page says so.
  function rows(runs, state) {
    const said = $('#qsaid');
    let asked = null;
    try { asked = understood(state.where, runs); } catch (problem) { said.textContent = problem.message; }
    said.className = asked ? 'said js' : 'said js bad';
    if (!asked) { $('#q').setAttribute('aria-invalid', 'true'); return null; }
    said.textContent = asked.said;
    $('#q').removeAttribute('aria-invalid');
    const states = runs.column('status'), named = runs.column('experiment'), found = [];
    for (let at = 0; at < runs.count; at++) {
      if ((state.status.size && !state.status.has(states(at))) || (state.experiment && named(at) !== state.experiment)) continue;
      if (asked.test(at)) found.push(at);
    }
    return found;
  }
  // Another page with the same runs.
  function address(page, state, every) {
    const kept = new URLSearchParams();
    for (const [key, value] of [['q', state.where], ['status', [...state.status].sort().join(',')], ['experiment', state.experiment]]) if (value) kept.set(key, value);
    if (every && !state.experiment && String(kept)) kept.set('every', 1);
    return page + (String(kept) ? '#' + kept : '');
  }
  const experiments = runs => [...new Set(Array.from({ length: runs.count }, (_, at) => runs.column('experiment')(at)))].sort();
  // Draws a button for each status and the list of experiments; pick is told what somebody chose.
  function chips(runs, state, pick) {
    const states = runs.column('status'), counts = new Map(), made = [];
    for (let at = 0; at < runs.count; at++) counts.set(states(at), (counts.get(states(at)) || 0) + 1);
    if (counts.size > 1) for (const [name, count] of [...counts].sort()) {
      const chip = element('button', { class: 'btn chip', type: 'button', 'aria-pressed': String(state.status.has(name)) }, name + ' ', element('b', {}, count.toLocaleString('en-US')));
      chip.addEventListener('click', () => { state.status.has(name) ? state.status.delete(name) : state.status.add(name); pick(state); });
      made.push(chip);
    }
    const names = experiments(runs);
    if (names.length > 1) {
      const picked = element('select', { class: 'field', 'aria-label': 'Experiment' }, element('option', { value: '' }, 'every experiment'), ...names.map(name => element('option', { value: name }, name)));
      picked.value = state.experiment;
      picked.addEventListener('change', () => pick({ ...state, experiment: picked.value }));
      made.push(picked);
    }
    const place = $('#chips'), focused = [...place.children].indexOf(document.activeElement);
    place.replaceChildren(...made);
    if (focused >= 0 && made[focused]) made[focused].focus();
  }
  return { address, chips, experiments, rows, understood };
})();

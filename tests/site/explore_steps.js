// What the tests of explore.html do in it: names for what they look at and for what a hand does.
const { $, $$ } = gitml;
const frame = () => new Promise(requestAnimationFrame);
const wait = ms => new Promise(done => setTimeout(done, ms)).then(frame).then(frame);
const told = () => ({
  n: $('#n').textContent,
  hash: location.hash,
  axes: [...$$('.axname')].map(each => each.textContent),
  table: $('#table').getAttribute('href'),
  compare: $('#compare').hidden ? '' : $('#compare').getAttribute('href'),
  said: $('#qsaid').textContent,
  rows: [...$$('#assoc tbody th')].map(each => each.textContent),
  best: [...$$('#bestlist a')].map(each => each.textContent),
});
const strip = name => $$('.ax').find(each => each.querySelector('.axname').textContent === name).querySelector('.strip');
const point = (on, type, x, y) => on.dispatchEvent(new PointerEvent(type, { bubbles: true, cancelable: true, clientX: x, clientY: y }));
const drag = async (name, from, to) => {
  const box = strip(name).getBoundingClientRect(), x = box.left + box.width / 2;
  point(strip(name), 'pointerdown', x, box.top + from);
  for (let n = 1; n <= 4; n++) {
    point(window, 'pointermove', x, box.top + from + (to - from) * n / 4);
    await wait(30);
  }
  point(window, 'pointerup', x, box.top + to);
  await wait(60);
};
const type = async (input, value, event) => {
  input.value = value;
  input.dispatchEvent(new Event(event));
  await wait(300);
};
const press = async (on, key) => {
  on.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  await wait(60);
};
async function walk() {
  const seen = [told()];
  const see = () => seen.push(told());
  await drag('depth', 12, 110); // the upper third: 6 and 7
  see();
  await drag('lr', 6, 60); // 1 only
  see();
  await goBack();
  see();
  await press(strip('depth').parentElement.querySelector('.axname'), 'ArrowRight');
  see();
  await type($('#q'), "params.kind = 'sgd'", 'input');
  see();
  $('#typed').open = true;
  await type($('#fields input[aria-label="params.depth from"]'), '7', 'change');
  see();
  await type($('#q'), 'metrics.aux > 1', 'input');
  see();
  return seen;
}

'use strict';
// The controls of the page that explores runs, and the table of associations.
gitml.explored = (function () {
  const { $, element } = gitml;
  const GROUPS = { params: 'Params', metrics: 'Metrics', tags: 'Tags', run: 'Run' }, LISTED = 200, BARS = 30, WORDS = 40;
  const groupOf = key => key.includes('.') ? key.slice(0, key.indexOf('.')) : 'run';

  function options(select, keys, value) {
    const groups = new Map();
    for (const key of keys) groups.set(groupOf(key), [...(groups.get(groupOf(key)) || []), key]);
    select.replaceChildren(...[...groups].map(([group, list]) => element('optgroup', { label: GROUPS[group] }, ...list.map(key => element('option', { value: key }, gitml.plot.nameOf(key))))));
    select.value = value;
    select.title = value || '';
  }

  // Which axes there are, to pick and to order.
  let sheetOf = null;
  function sheet(keys, axes, choose) {
    sheetOf = { keys, axes, choose };
    if ($('#axes').open) listed();
  }
  function listed() {
    const { keys, axes, choose } = sheetOf, word = $('#axq').value.toLowerCase();
    const found = [...axes, ...keys.filter(key => !axes.includes(key))].filter(key => key.toLowerCase().includes(word));
    const focused = document.activeElement && document.activeElement.dataset.of;
    $('#axlist').replaceChildren(...found.slice(0, LISTED).map(key => {
      const on = axes.includes(key), box = element('input', { type: 'checkbox', 'data-of': key });
      box.checked = on;
      box.disabled = on && axes.length === 1;
      box.addEventListener('change', () => choose(on ? axes.filter(k => k !== key) : [...axes, key]));
      const move = (by, sign, way) => {
        const button = element('button', { type: 'button', 'aria-label': 'Move ' + key + ' ' + way, 'data-of': way + key }, sign);
        button.addEventListener('click', () => { const list = axes.slice(), at = list.indexOf(key), to = at + by; if (to < 0 || to >= list.length) return; list.splice(at, 1); list.splice(to, 0, key); choose(list); });
        return button;
      };
      return element('li', {}, element('label', { title: key }, box, ' ' + key), ...(on ? [move(-1, '←', 'to the left'), move(1, '→', 'to the right')] : []));
    }), ...(found.length > LISTED ? [element('li', { class: 'muted' }, gitml.plural(found.length - LISTED, 'more'))] : []));
    const again = focused && [...$('#axlist').querySelectorAll('[data-of]')].find(each => each.dataset.of === focused);
    if (again) again.focus();
  }

  // Every range that can be dragged can be typed too.
  function fields(axes, brushes, told) {
    const place = $('#fields'), focused = document.activeElement && place.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : '';
    place.replaceChildren(...axes.map(axis => {
      const brush = brushes.get(axis.key), controls = [];
      const none = () => { const box = element('input', { type: 'checkbox', 'aria-label': axis.key + ': runs without a value' }); box.checked = brush ? Boolean(brush.none) : true; return box; };
      const empty = axis.missing ? none() : null, withNone = () => Boolean(empty && empty.checked);
      if (axis.words) {
        const boxes = axis.words.slice(0, WORDS).map(word => {
          const box = element('input', { type: 'checkbox', value: word, 'aria-label': axis.key + ': ' + word });
          box.checked = brush && brush.words ? brush.words.has(word) : !brush;
          return box;
        });
        const read = () => { const words = new Set(boxes.filter(box => box.checked).map(box => box.value)); axis.words.slice(WORDS).forEach(word => { if (!brush || (brush.words && brush.words.has(word))) words.add(word); }); told(axis.key, words.size === axis.words.length && (withNone() || !empty) ? null : { words, none: withNone() }); };
        [...boxes, ...(empty ? [empty] : [])].forEach(box => box.addEventListener('change', read));
        controls.push(...boxes.map(box => element('label', { title: box.value }, box, element('span', {}, box.value))));
        if (axis.words.length > WORDS) controls.push(element('span', { class: 'muted' }, gitml.plural(axis.words.length - WORDS, 'more value')));
      } else {
        const field = (label, value, end) => element('input', { class: 'field', type: 'text', inputmode: 'decimal', 'aria-label': axis.key + ' ' + label, placeholder: axis.count ? axis.said(end) : '', value: value === undefined ? '' : axis.key === 'created' ? new Date(value).toISOString().slice(0, 19) : value });
        const from = field('from', brush && brush.lo, axis.lo), to = field('to', brush && brush.hi, axis.hi);
        const number = (input, otherwise) => { const raw = input.value.trim(), value = axis.key === 'created' ? Date.parse(/Z$/.test(raw) || raw.length < 11 ? raw : raw + 'Z') : Number(raw); input.toggleAttribute('aria-invalid', raw !== '' && !Number.isFinite(value)); return raw === '' ? otherwise : value; };
        const read = () => {
          const lo = number(from, axis.lo), hi = number(to, axis.hi);
          if (![lo, hi].every(Number.isFinite)) return;
          const whole = from.value.trim() === '' && to.value.trim() === '';
          told(axis.key, whole && (withNone() || !empty) ? null : { lo, hi, none: brush || !whole ? withNone() && Boolean(brush ? empty.checked : false) : false });
        };
        [from, to, ...(empty ? [empty] : [])].forEach(input => input.addEventListener('change', read));
        controls.push(from, element('span', {}, 'to'), to);
      }
      if (empty) controls.push(element('label', {}, empty, element('span', {}, 'none')));
      return element('fieldset', {}, element('legend', { title: axis.key }, axis.label), ...controls);
    }));
    const again = focused && [...place.querySelectorAll('input')].find(input => input.getAttribute('aria-label') === focused);
    if (again) again.focus();
  }

  const WHY = { few: least => 'in fewer than ' + least + ' runs that have the metric', same: () => 'the same in all of them', flat: () => 'the metric is the same in all of them', own: () => 'so many values that chance alone would explain the metric' };
  function associations(answer) {
    const place = $('#assoc'), least = Number(place.dataset.least);
    const note = (...words) => place.replaceChildren(element('p', { class: 'few' }, ...words));
    if (!answer.metric) return note('These runs have no metric.');
    if (answer.runs < least) return note('Associations are shown from ' + least + ' runs up: of fewer, chance alone makes strong ones. Here ' + (answer.runs === 1 ? 'is 1.' : answer.runs ? 'are ' + answer.runs + '.' : 'is none.'));
    const out = new Map();
    for (const [name, why] of answer.leftOut) out.set(why, [...(out.get(why) || []), name]);
    const left = [...out].map(([why, names]) => names.slice(0, 3).join(', ') + (names.length > 3 ? ' and ' + gitml.plural(names.length - 3, 'other') : '') + ': ' + WHY[why](least) + '.').join(' ');
    const listed = answer.open ? answer.found : answer.found.slice(0, BARS);
    if (!listed.length) return note('No param can be set against ' + answer.metric + '. ' + left);
    const table = element('table', { class: 'assoc' }, element('caption', { class: 'sr' }, 'Association of params with ' + answer.metric),
      element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Param'), element('th', { scope: 'col' }, element('span', { class: 'scale' }, ...['−1', '0', '+1'].map(text => element('span', {}, text)))), element('th', { scope: 'col', class: 'num' }, 'Value'), element('th', { scope: 'col', class: 'wide' }, 'Method'), element('th', { scope: 'col', class: 'num' }, 'Runs'))),
      element('tbody', {}, ...listed.map(each => row(each, answer.pick))));
    const more = element('button', { class: 'btn', type: 'button' }, 'Show all ' + answer.found.length);
    more.addEventListener('click', answer.more);
    place.replaceChildren(element('div', { class: 'card' }, element('header', {}, element('h3', { title: answer.metric }, 'with ', element('code', {}, answer.metric))), element('div', { class: 'scroll' }, table), left ? element('p', { class: 'under out' }, left) : null), ...(listed.length < answer.found.length ? [element('p', { class: 'more' }, more)] : []));
  }
  function row(each, pick) {
    const size = Math.abs(each.value), signed = each.method === gitml.association.RANK, within = size <= each.chance, bent = each.bend === null ? null : element('u', {});
    if (bent) bent.style.width = 50 * each.bend + '%';
    const bar = element('i', {}), marks = (signed ? [1, -1] : [1]).map(sign => { const mark = element('b', {}); mark.style.left = 50 + sign * 50 * each.chance + '%'; return mark; });
    bar.style.left = (each.value < 0 ? 50 - 50 * size : 50) + '%';
    bar.style.width = 50 * size + '%';
    const name = element('button', { type: 'button', title: each.name + '\nShow it in the scatter' }, each.name);
    name.addEventListener('click', () => pick(each.name));
    return element('tr', { class: (within ? 'chance' : !signed ? 'size' : each.value < 0 ? 'down' : 'up') + (bent ? ' bent' : '') }, element('th', { scope: 'row' }, name), element('td', {}, element('span', { class: 'abar' }, bent, bar, ...marks)),
      element('td', { class: 'num' }, (signed ? (each.value < 0 ? '−' : '+') : '') + size.toFixed(2), within ? element('span', { class: 'sr' }, ' (within chance)') : null, bent ? element('small', {}, 'bent ' + each.bend.toFixed(2)) : null), element('td', { class: 'wide muted' }, each.method), element('td', { class: 'num' }, each.runs.toLocaleString('en-US')));
  }
  if ($('#axes')) {
    $('#axes').addEventListener('toggle', () => { if (sheetOf && $('#axes').open) listed(); });
    $('#axq').addEventListener('input', listed);
    addEventListener('click', event => { if (!event.target.closest('#axes') && event.target.isConnected) $('#axes').open = false; });
    addEventListener('keydown', event => { if (event.key === 'Escape') $('#axes').open = false; });
  }
  return { associations, fields, options, sheet };
})();

'use strict';
// Scales, colours and canvases of the page that explores runs.
gitml.plot = (function () {
  const { element } = gitml, STEPS = 24, NONE = 255, MOST_BINS = 12;

  const text = value => typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value);
  const absent = value => value === null || value === undefined || Number.isNaN(value);
  // A column as it is drawn: times are milliseconds.
  function reader(runs, key) {
    const get = runs.column(key);
    return key === 'created' ? at => Date.parse(get(at)) : get;
  }
  const nameOf = key => key === 'created' ? 'started' : key.slice(key.indexOf('.') + 1);

  function linear(lo, hi, most, whole) {
    const rough = (hi - lo) / most, power = 10 ** Math.floor(Math.log10(rough));
    if (!Number.isFinite(hi - lo) || !(power > 0)) return [lo, hi];
    const step = Math.max(whole ? 1 : 0, power * [1, 2, 5, 10].find(size => size * power >= rough * 0.999)), found = [];
    for (let n = Math.ceil(lo / step - 1e-9); n * step <= hi + step * 1e-9 && found.length < 50; n++) found.push(Number((n * step).toPrecision(12)));
    return found.length > 1 ? found : [lo, hi];
  }
  function logarithmic(lo, hi, most) {
    const first = Math.floor(Math.log10(lo)), last = Math.ceil(Math.log10(hi)), steps = last - first <= 2 ? [1, 2, 5] : [1];
    for (let every = Math.max(1, Math.ceil((last - first) / most)); every > 0; every--) {
      const found = [];
      for (let power = Math.ceil(first / every) * every; power <= last; power += every) for (const step of steps) {
        const value = Number(step + 'e' + power);
        if (value >= lo * 0.999 && value <= hi * 1.001) found.push(value);
      }
      if (found.length > 1) return found;
    }
    return [lo, hi];
  }
  function said(key, value, span) {
    if (key !== 'created') return gitml.number(value);
    const iso = new Date(value).toISOString();
    return span > 2 * 864e5 ? iso.slice(0, 10) : iso.slice(5, 16).replace('T', ' ');
  }

  // Whether far values press the others together at the lower end.
  function crowded(rows, get, lo, hi) {
    if (!(hi / lo >= 20)) return false;
    const values = rows.map(get).filter(Number.isFinite).sort((a, b) => a - b);
    return values[values.length >> 1] - lo < (hi - lo) / 20;
  }
  // How some rows lie along a column. place[row] is 0 at the lower end, 1 at the upper, -1 without a value.
  function axis(runs, key, rows, wanted) {
    const get = reader(runs, key), place = new Float32Array(runs.count).fill(-1), found = new Map();
    let numbers = 0, flags = 0, others = 0, infinite = 0, whole = true, lo = Infinity, hi = -Infinity, missing = 0;
    for (const at of rows) {
      const value = get(at);
      if (absent(value)) missing++;
      else if (typeof value === 'number') {
        numbers++;
        if (!Number.isFinite(value)) infinite++;
        else { if (value < lo) lo = value; if (value > hi) hi = value; if (!Number.isInteger(value)) whole = false; }
      } else typeof value === 'boolean' ? flags++ : others++;
    }
    const made = { key, label: nameOf(key), get, place, missing, log: false, words: null, infinite, lo, hi };
    if (!others && !flags && (numbers || !rows.length)) {
      made.count = numbers - infinite;
      made.missing += infinite;
      made.constant = !(hi > lo);
      made.canLog = lo > 0 && hi > lo && key !== 'created';
      made.usual = made.canLog && (key.startsWith('params.') ? hi / lo >= 100 : crowded(rows, get, lo, hi)) ? 'log' : 'linear';
      made.log = made.canLog && (wanted || made.usual) === 'log';
      const of = made.log ? Math.log10 : value => value / 2, from = of(lo), range = of(hi) - from;
      made.at = value => range > 0 ? (of(value) - from) / range : 0.5;
      made.value = part => made.log ? 10 ** (from + part * range) : (from + part * range) * 2;
      made.ticks = most => made.constant ? (made.count ? [{ at: 0.5, text: said(key, lo, 0) }] : [])
        : (made.log ? logarithmic : linear)(lo, hi, most, whole).map(value => ({ at: made.at(value), text: said(key, value, hi - lo) }));
      made.said = value => said(key, value, hi - lo);
      for (const at of rows) { const value = get(at); if (typeof value === 'number' && Number.isFinite(value)) place[at] = made.at(value); }
      return made;
    }
    for (const at of rows) { const value = get(at); if (!absent(value)) found.set(text(value), value); }
    const rank = value => typeof value === 'number' ? 0 : 1;
    const listed = [...found].sort(([a, x], [b, y]) => rank(x) - rank(y) || (rank(x) ? (a < b ? -1 : a > b ? 1 : 0) : x - y));
    const order = new Map(listed.map(([word], nth) => [word, nth]));
    made.words = listed.map(([word]) => word);
    made.values = new Map(listed);
    made.constant = order.size < 2;
    made.count = rows.length - missing;
    made.at = value => (order.get(text(value)) + 0.5) / order.size;
    made.ticks = most => { const every = Math.ceil(order.size / most); return made.words.map((word, nth) => ({ at: (nth + 0.5) / order.size, text: word })).filter((_, nth) => nth % every === 0); };
    // Runs of one word lie beside each other, always in the same way, so that crowds are seen.
    const aside = rows.length > 1 && order.size ? 0.5 / order.size : 0;
    for (const at of rows) { const value = get(at); if (!absent(value)) place[at] = made.at(value) + ((at * 2654435761 >>> 0) / 4294967296 - 0.5) * aside; }
    return made;
  }

  // The colours of a metric: a step for each row, and what the two ends mean.
  function colouring(runs, metric, rows) {
    const step = new Uint8Array(runs.count).fill(NONE);
    const get = metric && runs.column('metrics.' + metric);
    const values = get ? rows.map(get).filter(value => typeof value === 'number' && Number.isFinite(value)).sort((a, b) => a - b) : [];
    if (!values.length) return { metric: null, step, stepOf: () => NONE, none: rows.length };
    const quantile = part => values[Math.round(part * (values.length - 1))];
    let lo = values[0], hi = values[values.length - 1];
    const far = hi / 4 - lo / 4 > quantile(0.98) - quantile(0.02) && quantile(0.98) > quantile(0.02);
    const ends = [lo, hi];
    if (far) { lo = quantile(0.02); hi = quantile(0.98); }
    const range = hi / 2 - lo / 2;
    const stepOf = value => typeof value !== 'number' || !Number.isFinite(value) ? NONE : !(range > 0) ? STEPS / 2 : Math.max(0, Math.min(STEPS - 1, Math.floor((value / 2 - lo / 2) / range * STEPS)));
    for (const at of rows) step[at] = stepOf(get(at));
    return { metric, get, step, stepOf, lo, hi, below: ends[0] < lo, above: ends[1] > hi, none: rows.length - values.length, least: runs.goal(metric) === 'min' };
  }
  // The ramp of the sheet, --v1 to --v5, in equal steps, in the colours of the theme.
  function ramp() {
    const stops = [1, 2, 3, 4, 5].map(n => gitml.css('--v' + n)).map(hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)));
    return Array.from({ length: STEPS }, (_, nth) => {
      const along = nth / (STEPS - 1) * (stops.length - 1), from = Math.min(Math.floor(along), stops.length - 2);
      return 'rgb(' + stops[from].map((part, n) => Math.round(part + (stops[from + 1][n] - part) * (along - from))).join(',') + ')';
    });
  }
  function legend(place, colour) {
    if (!colour.metric) { place.replaceChildren('No metric to colour by'); return; }
    if (colour.lo === colour.hi) { place.replaceChildren(gitml.number(colour.lo) + ' in all of them'); return; }
    const better = end => colour.least === (end === 'lo') ? element('small', {}, 'better') : null;
    place.replaceChildren(
      element('span', { class: 'end-lo' }, better('lo'), (colour.below ? '≤ ' : '') + gitml.number(colour.lo)),
      element('span', { class: 'rampbar', 'aria-hidden': 'true' }),
      element('span', { class: 'end-hi' }, (colour.above ? '≥ ' : '') + gitml.number(colour.hi), better('hi')),
      ...(colour.none ? [element('span', { class: 'key nokey' }, gitml.plural(colour.none, 'run') + ' without')] : []));
  }

  // A canvas as sharp as the screen, in CSS pixels.
  const sharp = () => Math.min(3, devicePixelRatio || 1);
  function sheet(canvas, width, height, by = sharp()) {
    if (canvas.width !== Math.round(width * by) || canvas.height !== Math.round(height * by)) {
      canvas.width = Math.round(width * by);
      canvas.height = Math.round(height * by);
      canvas.style.width = width + 'px';
      canvas.style.height = height + 'px';
    }
    const pen = canvas.getContext('2d');
    pen.setTransform(by, 0, 0, by, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px ' + getComputedStyle(document.body).fontFamily;
    return pen;
  }
  // Text that stays legible over lines.
  function write(pen, words, x, y, most) {
    let shown = words;
    while (most && shown.length > 1 && pen.measureText(shown).width > most) shown = shown.slice(0, -2).replace(/…?$/, '…');
    pen.lineWidth = 4;
    pen.lineJoin = 'round';
    pen.strokeStyle = gitml.css('--raised');
    pen.strokeText(shown, x, y);
    pen.fillText(shown, x, y);
  }
  // What stands beside the pointer.
  function tip(place, x, y, title, pairs) {
    let box = place.querySelector('.tip');
    if (!box) place.append(box = element('div', { class: 'tip', 'aria-hidden': 'true' }));
    box.hidden = !title;
    if (!title) return;
    box.replaceChildren(element('strong', {}, title), element('dl', {}, ...pairs.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])));
    const left = x + 14 + box.offsetWidth > place.scrollLeft + place.clientWidth ? x - 14 - box.offsetWidth : x + 14;
    box.style.left = Math.max(place.scrollLeft + 4, left) + 'px';
    box.style.top = Math.max(4, Math.min(y - 10, place.clientHeight - box.offsetHeight - 6)) + 'px';
  }

  // A param in bins: each of a few values, or equal ones along the scale.
  function bins(axis, rows) {
    const values = axis.words ? [] : [...new Set(rows.map(axis.get).filter(Number.isFinite))].sort((a, b) => a - b);
    if (axis.words || values.length <= MOST_BINS) {
      const list = axis.words || values, order = new Map(list.map((value, nth) => [value, nth]));
      return { count: list.length, of: at => { const value = axis.get(at); return absent(value) ? -1 : order.get(axis.words ? text(value) : value) ?? -1; }, label: nth => axis.words ? list[nth] : axis.said(list[nth]), apart: true, range: nth => [list[nth], list[nth]] };
    }
    const count = MOST_BINS, edge = nth => axis.value(nth / count);
    return { count, of: at => axis.place[at] < 0 ? -1 : Math.min(count - 1, Math.floor(axis.place[at] * count)), label: nth => axis.said(Number(edge(nth).toPrecision(3))) + '–' + axis.said(Number(edge(nth + 1).toPrecision(3))), apart: false, range: nth => [edge(nth), edge(nth + 1)] };
  }
  return { NONE, STEPS, absent, axis, bins, colouring, legend, nameOf, ramp, reader, sharp, sheet, text, tip, write };
})();

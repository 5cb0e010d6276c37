'use strict';
// Two charts of two columns: a dot for each run, and the mean of a metric in each cell.
gitml.scatter = (function () {
  const { element } = gitml, { NONE, STEPS } = gitml.plot;
  const TOP = 12, RIGHT = 16, BELOW = 44, HEIGHT = 340;

  // What both have: a canvas, one above for what is pointed at, axes with names.
  function stage(place) {
    const base = element('canvas', { role: 'img' }), over = element('canvas', { 'aria-hidden': 'true' });
    place.replaceChildren(base, over);
    return { place, base, over, width: 0, height: HEIGHT, left: 64 };
  }
  function frame(on, x, y) {
    on.width = Math.max(240, on.place.clientWidth);
    on.place.style.height = on.height + 'px';
    const pen = gitml.plot.sheet(on.base, on.width, on.height);
    const ticks = y.ticks(y.words ? 16 : 6), wide = Math.max(...ticks.map(tick => pen.measureText(tick.text).width), 20);
    on.left = Math.min(on.width * 0.32, wide + 34);
    on.px = part => on.left + part * (on.width - on.left - RIGHT);
    on.py = part => TOP + (1 - part) * (on.height - TOP - BELOW);
    pen.fillStyle = gitml.css('--muted');
    pen.strokeStyle = gitml.css('--line');
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    for (const tick of ticks) {
      const at = Math.round(on.py(tick.at)) + 0.5;
      pen.beginPath(); pen.moveTo(on.left, at); pen.lineTo(on.width - RIGHT, at); pen.stroke();
      cut(pen, tick.text, on.left - 7, at + 4, on.left - 28);
    }
    pen.textAlign = 'center';
    let free = 0;
    for (const tick of x.ticks(x.words ? 12 : Math.max(3, Math.floor(on.width / 90)))) {
      const at = Math.round(on.px(tick.at)) + 0.5, room = x.words ? Math.max(30, (on.width - on.left - RIGHT) / x.words.length - 6) : 90;
      pen.beginPath(); pen.moveTo(at, TOP); pen.lineTo(at, on.height - BELOW); pen.stroke();
      const half = Math.min(room, pen.measureText(tick.text).width) / 2, middle = Math.max(on.left + half - 24, Math.min(on.width - half - 2, at));
      if (middle - half < free) continue;
      cut(pen, tick.text, middle, on.height - BELOW + 16, room);
      free = middle + half + 6;
    }
    pen.fillStyle = gitml.css('--text');
    cut(pen, x.label + (x.log ? ' (log)' : ''), (on.left + on.width - RIGHT) / 2, on.height - 8, on.width - on.left - RIGHT);
    pen.save();
    pen.translate(12, (TOP + on.height - BELOW) / 2);
    pen.rotate(-Math.PI / 2);
    cut(pen, y.label + (y.log ? ' (log)' : ''), 0, 0, on.height - TOP - BELOW);
    pen.restore();
    return pen;
  }
  function cut(pen, words, x, y, most) {
    let shown = words;
    while (shown.length > 1 && pen.measureText(shown).width > most) shown = shown.slice(0, -2).replace(/…?$/, '…');
    pen.fillText(shown, x, y);
  }
  function pointing(on, find, told) {
    let at = -1;
    on.place.addEventListener('pointermove', event => {
      if (!on.px) return;
      const box = on.base.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      at = find(x, y);
      on.place.classList.toggle('on', at >= 0);
      told.mark(at);
      gitml.plot.tip(on.place, x, y, at < 0 ? '' : told.name(at), at < 0 ? [] : told.facts(at));
    });
    on.place.addEventListener('pointerleave', () => { at = -1; told.mark(-1); gitml.plot.tip(on.place, 0, 0, ''); });
    on.place.addEventListener('click', () => { if (at >= 0) told.open(at); });
    new ResizeObserver(() => { if (on.px && Math.max(240, on.place.clientWidth) !== on.width) told.again(); }).observe(on.place);
  }
  const inset = part => 0.02 + part * 0.96; // dots at the ends stay whole

  function dots(place, told) {
    const on = stage(place);
    let view = null, drawn = [];
    function draw(next) {
      view = next;
      const { x, y, rows, chosen, colour } = view, ramp = gitml.plot.ramp();
      const spread = axis => axis.words ? axis : { ...axis, ticks: most => axis.ticks(most).map(tick => ({ ...tick, at: inset(tick.at) })) };
      const pen = frame(on, spread(x), spread(y)), size = rows.length > 2000 ? 2 : rows.length > 300 ? 3 : 4;
      const groups = Array.from({ length: STEPS + 2 }, () => []);
      drawn = [];
      for (const at of rows) {
        if (x.place[at] < 0 || y.place[at] < 0) continue;
        drawn.push(at);
        groups[!chosen[at] ? 0 : colour.step[at] === NONE ? 1 : colour.step[at] + 2].push(at);
      }
      view.cx = at => on.px(x.words ? x.place[at] : inset(x.place[at]));
      view.cy = at => on.py(y.words ? y.place[at] : inset(y.place[at]));
      groups.forEach((group, nth) => {
        pen.fillStyle = nth === 0 ? gitml.css('--line-2') : nth === 1 ? gitml.css(colour.metric ? '--faint' : '--c1') : ramp[nth - 2];
        pen.globalAlpha = nth === 0 ? 0.5 : rows.length > 2000 ? 0.55 : 0.8;
        pen.beginPath();
        for (const at of group) { const cx = view.cx(at), cy = view.cy(at); pen.moveTo(cx + size, cy); pen.arc(cx, cy, size, 0, 6.2832); }
        pen.fill();
      });
      pen.globalAlpha = 1;
      mark(-1);
      on.base.setAttribute('aria-label', 'Scatter of ' + gitml.plural(drawn.length, 'run') + ': ' + y.label + ' against ' + x.label + '. The table of runs has the same values.');
      return drawn.length;
    }
    function mark(at) {
      const pen = gitml.plot.sheet(on.over, on.width, on.height);
      if (at < 0) return;
      pen.strokeStyle = gitml.css('--text');
      pen.lineWidth = 2;
      pen.beginPath(); pen.arc(view.cx(at), view.cy(at), 6, 0, 7); pen.stroke();
    }
    function find(mx, my) {
      let best = -1, closest = 100;
      for (const at of drawn) {
        if (!view.chosen[at]) continue;
        const dx = view.cx(at) - mx, dy = view.cy(at) - my, off = dx * dx + dy * dy;
        if (off < closest) { closest = off; best = at; }
      }
      return best;
    }
    pointing(on, find, { mark, name: told.name, open: told.open, facts: at => told.facts(at, [view.x, view.y]), again: () => draw(view) });
    return { draw };
  }

  function cells(place, told) {
    const on = stage(place);
    let view = null, made = [], across = null, up = null;
    const box = nth => {
      const i = nth % across.count, j = Math.floor(nth / across.count), x = on.px(i / across.count), y = on.py((j + 1) / up.count);
      return [x, y, on.px((i + 1) / across.count) - x, on.py(j / up.count) - y];
    };
    function draw(next) {
      view = next;
      const { x, y, rows, chosen, colour } = view, ramp = gitml.plot.ramp();
      across = gitml.plot.bins(x, rows);
      up = gitml.plot.bins(y, rows);
      // Cells of single values stand evenly, however far the values lie apart.
      const even = (axis, cells) => !cells.apart ? axis : { ...axis, words: axis.words || Array(cells.count), log: false, ticks: most => { const every = Math.ceil(cells.count / most); return [...Array(cells.count).keys()].filter(nth => nth % every === 0).map(nth => ({ at: (nth + 0.5) / cells.count, text: cells.label(nth) })); } };
      const pen = frame(on, even(x, across), even(y, up));
      made = Array.from({ length: across.count * up.count }, () => ({ count: 0, sum: 0, low: Infinity, high: -Infinity }));
      let used = 0;
      for (const at of rows) {
        const i = across.of(at), j = up.of(at), value = colour.metric ? colour.get(at) : null;
        if (!chosen[at] || i < 0 || j < 0 || typeof value !== 'number' || !Number.isFinite(value)) continue;
        const cell = made[j * across.count + i];
        used++; cell.count++; cell.sum += value; cell.low = Math.min(cell.low, value); cell.high = Math.max(cell.high, value);
      }
      made.forEach((cell, nth) => {
        if (!cell.count) return;
        const [left, top, wide, high] = box(nth);
        pen.fillStyle = ramp[colour.stepOf(cell.sum / cell.count)] || gitml.css('--faint');
        pen.fillRect(left + 1, top + 1, Math.max(1, wide - 2), Math.max(1, high - 2));
      });
      mark(-1);
      on.base.setAttribute('aria-label', 'Mean of ' + (colour.metric || 'nothing') + ' by ' + x.label + ' and ' + y.label + ', of ' + gitml.plural(used, 'run') + ' in ' + gitml.plural(made.filter(cell => cell.count).length, 'cell') + '.');
      return used;
    }
    function mark(nth) {
      const pen = gitml.plot.sheet(on.over, on.width, on.height);
      if (nth < 0) return;
      pen.strokeStyle = gitml.css('--text');
      pen.lineWidth = 2;
      pen.strokeRect(...box(nth));
    }
    function find(mx, my) {
      const i = Math.floor((mx - on.px(0)) / (on.px(1) - on.px(0)) * across.count), j = Math.floor((on.py(0) - my) / (on.py(0) - on.py(1)) * up.count);
      const nth = j * across.count + i;
      return i >= 0 && j >= 0 && i < across.count && j < up.count && made[nth].count ? nth : -1;
    }
    pointing(on, find, {
      mark, name: nth => 'mean ' + view.colour.metric + ' ' + gitml.number(made[nth].sum / made[nth].count),
      facts: nth => [[view.x.label, across.label(nth % across.count)], [view.y.label, up.label(Math.floor(nth / across.count))], ['runs', made[nth].count.toLocaleString('en-US')], ['least', gitml.number(made[nth].low)], ['greatest', gitml.number(made[nth].high)]],
      open: nth => told.pick(view.x, across, nth % across.count, view.y, up, Math.floor(nth / across.count)), again: () => draw(view),
    });
    return { draw };
  }
  return { cells, dots };
})();

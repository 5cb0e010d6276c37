'use strict';
// Parallel coordinates on a canvas: a line for each run, an axis for each column, ranges to drag.
gitml.parallel = function (place, told) {
  const { element } = gitml, { NONE, STEPS } = gitml.plot;
  const TOP = 12, BELOW = 34, SIDE = 64, LEAST = 116, QUICK = 2500; // lines while a range is dragged, then all
  const FEW = 200, CLOUD = 4000; // lines up to which each is a thick one, and beyond which no screen is too coarse
  const lines = element('canvas', { role: 'img' }), over = element('canvas', { 'aria-hidden': 'true' }), heads = element('div', { class: 'heads' }), inner = element('div', { class: 'pc-in' }, lines, over, heads);
  place.replaceChildren(inner);
  let view = null, width = 0, height = 0, xs = [], ys = null, hovered = -1, waiting = 0;

  const y = part => part < 0 ? height - 10 : TOP + (1 - part) * (height - TOP - BELOW);
  function measure() {
    const axes = view.axes.length, phone = innerWidth < 720;
    height = phone ? 300 : 400;
    width = Math.max(place.clientWidth, axes * LEAST + 24);
    inner.style.width = width + 'px';
    inner.style.height = height + 54 + 'px';
    const gap = axes > 1 ? (width - 2 * SIDE) / (axes - 1) : 0;
    xs = view.axes.map((_, nth) => axes > 1 ? SIDE + nth * gap : width / 2);
  }
  function trace(pen, at) {
    const axes = view.axes;
    if (axes.length === 1) { const only = y(axes[0].place[at]); pen.moveTo(xs[0] - 40, only); pen.lineTo(xs[0] + 40, only); return; }
    pen.moveTo(xs[0], y(axes[0].place[at]));
    for (let nth = 1; nth < axes.length; nth++) pen.lineTo(xs[nth], y(axes[nth].place[at]));
  }
  // Each line by itself: crowds grow darker. A line of one pixel of the screen is drawn twenty times as fast as one of two.
  function stroke(pen, rows, colour, alpha, thick) {
    pen.strokeStyle = colour;
    pen.globalAlpha = alpha;
    pen.lineWidth = thick;
    for (const at of rows) { pen.beginPath(); trace(pen, at); pen.stroke(); }
  }
  function paint() {
    const ramp = gitml.plot.ramp(), { rows, chosen, colour } = view;
    const steps = Array.from({ length: STEPS }, () => []), none = [], faint = [], every = view.dragging ? Math.ceil(rows.length / QUICK) : 1;
    for (const at of every > 1 ? rows.filter((_, nth) => nth % every === 0) : rows) !chosen[at] ? faint.push(at) : colour.step[at] === NONE ? none.push(at) : steps[colour.step[at]].push(at);
    const count = rows.length / every - faint.length, alone = count > 5000 ? 0.12 : count > 1000 ? 0.28 : count > FEW ? 0.55 : 0.85;
    const dim = faint.length > 3000 ? faint.filter((_, nth) => nth % Math.ceil(faint.length / 3000) === 0) : faint;
    const many = count + dim.length, sharp = many > CLOUD ? 1 : gitml.plot.sharp(), pen = gitml.plot.sheet(lines, width, height, sharp);
    const thin = many > FEW ? 1 / sharp : 1, thick = many > FEW ? thin : 1.4, more = many > FEW ? (1 + sharp) / 2 : 1;
    stroke(pen, dim, gitml.css('--line-2'), (dim.length > 1000 ? 0.14 : 0.35) * more, thin);
    const alpha = Math.min(1, alone * more);
    stroke(pen, none, gitml.css(colour.metric ? '--faint' : '--c1'), colour.metric ? alpha / 2 : alpha, thick);
    const order = steps.map((_, nth) => nth); // the better end lies on top
    for (const nth of colour.least ? order.reverse() : order) stroke(pen, steps[nth], ramp[nth], alpha, thick);
    pen.globalAlpha = 1;
  }
  function overlay() {
    const pen = gitml.plot.sheet(over, width, height), text = gitml.css('--text'), muted = gitml.css('--muted');
    const lane = view.axes.some(axis => axis.missing);
    if (lane) {
      pen.strokeStyle = gitml.css('--line-2');
      pen.setLineDash([3, 4]);
      pen.beginPath(); pen.moveTo(xs[0] - 30, y(-1)); pen.lineTo(xs[xs.length - 1] + 30, y(-1)); pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = muted;
      pen.textAlign = 'left';
      gitml.plot.write(pen, 'none', Math.max(6, xs[0] - 56), y(-1) + 4);
    }
    if (hovered >= 0) {
      pen.strokeStyle = text;
      pen.lineWidth = 2.5;
      pen.beginPath(); trace(pen, hovered); pen.stroke();
    }
    view.axes.forEach((axis, nth) => {
      pen.strokeStyle = gitml.css('--faint');
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(xs[nth], TOP - 6); pen.lineTo(xs[nth], height - BELOW + 6); pen.stroke();
      pen.textAlign = 'right';
      pen.fillStyle = text;
      const most = nth ? Math.min(96, xs[nth] - xs[nth - 1] - 16) : xs[0] - 10;
      for (const tick of axis.ticks(axis.words ? 20 : 7)) {
        pen.strokeStyle = gitml.css('--faint');
        pen.lineWidth = 1;
        pen.beginPath(); pen.moveTo(xs[nth] - 4, y(tick.at)); pen.lineTo(xs[nth], y(tick.at)); pen.stroke();
        gitml.plot.write(pen, tick.text, xs[nth] - 8, y(tick.at) + 4, most);
      }
      if (hovered >= 0) {
        pen.fillStyle = text;
        pen.beginPath(); pen.arc(xs[nth], y(axis.place[hovered]), 3.5, 0, 7); pen.fill();
      }
    });
  }

  // The heads of axes: names to move them by, the scale, and the strip in which ranges are dragged.
  function head(axis, nth) {
    const brush = view.brushes.get(axis.key), room = xs.length > 1 ? xs[1] - xs[0] : 200;
    const name = element('button', { type: 'button', class: 'axname', title: axis.key + '\nDrag, or press ← →, to move this axis', 'aria-label': axis.label + ', axis ' + (nth + 1) + ' of ' + view.axes.length + '; arrow keys move it' }, axis.label);
    name.addEventListener('keydown', event => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === 'Delete') { event.preventDefault(); told.remove(axis.key); }
      if (!by) return;
      event.preventDefault();
      told.move(axis.key, nth + by);
      const again = [...heads.querySelectorAll('.axname')].find(button => button.title.startsWith(axis.key + '\n'));
      if (again) again.focus();
    });
    name.addEventListener('pointerdown', event => drag(event, name, axis, nth));
    const scale = axis.canLog ? element('button', { type: 'button', class: 'axscale', 'aria-pressed': String(axis.log), title: axis.log ? 'Logarithmic; press for linear' : 'Linear; press for logarithmic' }, 'log') : null;
    if (scale) scale.addEventListener('click', () => told.scale(axis.key, axis.log ? 'linear' : 'log'));
    const strip = element('div', { class: 'strip' });
    for (const [from, to] of brush ? spans(axis, brush) : []) {
      const mark = element('i', { class: 'brush' });
      mark.style.top = from - 2 + 'px';
      mark.style.height = Math.max(4, to - from + 4) + 'px';
      strip.append(mark);
    }
    strip.addEventListener('pointerdown', event => range(event, strip, axis));
    const made = element('div', { class: 'ax' }, element('div', { class: 'axhead' }, name, scale), strip);
    made.style.left = xs[nth] + 'px';
    made.querySelector('.axhead').style.width = Math.min(room - 10, 190, nth ? 999 : 2 * xs[nth], nth < xs.length - 1 ? 999 : 2 * (width - xs[nth])) + 'px';
    strip.style.height = height + 'px';
    return made;
  }
  function spans(axis, brush) {
    const found = brush.none ? [[y(-1) - 6, y(-1) + 6]] : [];
    if (brush.words && axis.words) axis.words.forEach((word, nth) => { if (brush.words.has(word)) found.push([y((nth + 0.9) / axis.words.length), y((nth + 0.1) / axis.words.length)]); });
    if (brush.lo !== undefined && !axis.words && axis.count) {
      const clip = part => Math.max(0, Math.min(1, Number.isNaN(part) ? 0 : part));
      found.push([y(clip(axis.at(brush.hi))), y(clip(axis.at(axis.log && brush.lo <= 0 ? axis.lo : brush.lo)))]);
    }
    return found;
  }
  const exact = (axis, value) => { const digits = axis.key === 'created' ? 15 : Math.max(3, Math.ceil(Math.log10(Math.max(Math.abs(axis.lo), Math.abs(axis.hi)) / (axis.hi - axis.lo || 1))) + 3); return Number(value.toPrecision(axis.log ? 4 : Math.min(15, digits))); };
  function brushOf(axis, from, to) {
    const high = Math.min(from, to), low = Math.max(from, to), span = height - TOP - BELOW;
    const none = low > height - BELOW + 12 && axis.missing > 0;
    const upper = 1 - (high - TOP) / span, lower = 1 - (low - TOP) / span;
    if (axis.words) {
      const words = new Set(axis.words.filter((_, nth) => (nth + 1) / axis.words.length > lower && nth / axis.words.length < upper));
      return words.size || none ? { words, none } : null;
    }
    if (upper < -0.02 || axis.constant && !axis.count) return none ? { none } : null;
    if (axis.constant) return lower <= 0.5 && upper >= 0.5 ? { lo: axis.lo, hi: axis.hi, none } : none ? { none } : null;
    const lo = lower <= 0 ? axis.lo : exact(axis, axis.value(lower)), hi = upper >= 1 ? axis.hi : exact(axis, axis.value(Math.max(0, upper)));
    return lo > hi ? null : { lo, hi, none };
  }
  function range(event, strip, axis) {
    if (event.button) return;
    event.preventDefault();
    const from = event.offsetY, top = strip.getBoundingClientRect().top;
    let last = from;
    const move = at => { last = Math.max(0, Math.min(height, at.clientY - top)); if (Math.abs(last - from) > 3) told.brush(axis.key, brushOf(axis, from, last), false); };
    const done = () => {
      removeEventListener('pointermove', move); removeEventListener('pointerup', done); removeEventListener('pointercancel', done);
      const one = axis.words && Math.abs(last - from) <= 3 && !view.brushes.has(axis.key);
      told.brush(axis.key, Math.abs(last - from) > 3 || one ? brushOf(axis, from, last) : null, true);
    };
    addEventListener('pointermove', move); addEventListener('pointerup', done); addEventListener('pointercancel', done);
  }
  function drag(event, name, axis, nth) {
    if (event.button) return;
    const left = inner.getBoundingClientRect().left, mover = name.closest('.ax');
    let to = nth, moved = false;
    const move = at => {
      const x = at.clientX - left;
      if (!moved && Math.abs(at.clientX - event.clientX) < 5) return;
      moved = true;
      mover.style.left = x + 'px';
      mover.classList.add('moving');
      to = xs.reduce((best, each, n) => Math.abs(each - x) < Math.abs(xs[best] - x) ? n : best, nth);
    };
    const done = () => {
      removeEventListener('pointermove', move); removeEventListener('pointerup', done); removeEventListener('pointercancel', done);
      if (moved) to === nth ? draw(view) : told.move(axis.key, to);
    };
    addEventListener('pointermove', move); addEventListener('pointerup', done); addEventListener('pointercancel', done);
  }

  function nearest(mx, my) {
    let nth = xs.findIndex((x, n) => n + 1 < xs.length && mx >= x && mx <= xs[n + 1]);
    if (nth < 0) { if (xs.length !== 1 || Math.abs(mx - xs[0]) > 40) return -1; nth = 0; }
    const a = view.axes[nth].place, b = view.axes[Math.min(nth + 1, xs.length - 1)].place, along = xs.length > 1 ? (mx - xs[nth]) / (xs[nth + 1] - xs[nth]) : 0;
    let best = -1, closest = 7;
    for (const at of view.rows) {
      if (!view.chosen[at]) continue;
      const from = y(a[at]), off = Math.abs(from + (y(b[at]) - from) * along - my);
      if (off < closest) { closest = off; best = at; }
    }
    return best;
  }
  function hover(event) {
    if (!view || event.buttons || event.target.closest('.axhead')) return;
    const box = lines.getBoundingClientRect(), x = event.clientX - box.left, at = nearest(x, event.clientY - box.top);
    inner.classList.toggle('on', at >= 0);
    if (at !== hovered) { hovered = at; overlay(); }
    gitml.plot.tip(place, x, event.clientY - box.top + 54, at < 0 ? '' : told.name(at), at < 0 ? [] : told.facts(at, view.axes));
  }
  inner.addEventListener('pointermove', hover);
  inner.addEventListener('pointerleave', () => { if (hovered >= 0) { hovered = -1; overlay(); } gitml.plot.tip(place, 0, 0, ''); });
  lines.addEventListener('click', () => { if (hovered >= 0) told.open(hovered); });
  over.addEventListener('click', () => { if (hovered >= 0) told.open(hovered); });

  function now() {
    waiting = 0;
    if (!view) return;
    measure();
    paint();
    overlay();
    heads.replaceChildren(...view.axes.map(head));
    lines.setAttribute('aria-label', told.said());
  }
  function draw(next) {
    view = next;
    hovered = -1;
    if (!waiting) waiting = requestAnimationFrame(now);
  }
  new ResizeObserver(() => { if (view && Math.max(place.clientWidth, view.axes.length * LEAST + 24) !== width) draw(view); }).observe(place);
  return { draw, now };
};

'use strict';
// A run's page: its curves with one bar of controls, and another run laid over them.
(function () {
  const { $, $$, element } = gitml;
  const key = location.pathname.split('/').pop().replace(/\.html$/, '');
  const own = gitml.taken.get('runs/' + key) || [...gitml.taken.values()][0];
  const charts = $$('.chart[data-metric]');
  if (!own) return;
  const view = { x: 'step', log: false, smoothing: 0, other: '', only: false, find: '' };
  let other = null;
  const seriesOf = data => new Map(Object.entries(data.series));
  const mine = seriesOf(own), ownKey = own.run.id.slice(0, 12);
  const ALIKE = ['--c2', '--c1'];

  function lines(metric) {
    const found = [], palette = gitml.colors([ownKey]);
    const color = palette.get(ownKey);
    const line = (data, series, name, paint, dash) => {
      const axis = data.axes[series.axis];
      return { name, x: axis[view.x], y: series.value, color: paint, dash };
    };
    if (other) {
      const series = seriesOf(other).get(metric);
      if (series) found.push(line(other, series, other.run.name, otherColor(), 'solid'));
    }
    if (mine.has(metric)) found.push(line(own, mine.get(metric), own.run.name, color));
    return found;
  }
  function otherColor() {
    const color = gitml.colors([ownKey]).get(ownKey), theirs = gitml.colors([other.run.id.slice(0, 12)]).values().next().value;
    return theirs !== color ? theirs : ALIKE.find(c => c !== color);
  }
  function draw(chart) {
    const found = lines(chart.dataset.metric);
    if (found.length) gitml.charts.curves(chart, found, view);
  }
  const again = window.Plotly ? gitml.charts.lazily(charts, draw) : () => {};
  gitml.painters.push(redraw);
  function redraw() { legend(); again(); figures(); }

  function legend() {
    const entry = (name, color, drop) => {
      const made = element('span', { class: 'key', style: '--k: var(' + color + ')', title: name }, element('span', {}, name));
      if (drop) { const button = element('button', { class: 'btn icon', type: 'button', 'aria-label': 'Take the other run away' }, '×'); button.addEventListener('click', () => overlay('')); made.append(button); }
      return made;
    };
    const color = gitml.colors([ownKey]).get(ownKey);
    $('#keys').replaceChildren(...(other ? [entry('this run', color), entry(other.run.name, otherColor(), true)] : []));
    $('.diffs').hidden = !other;
    $$('[data-with]').forEach(button => button.setAttribute('aria-pressed', String(button.dataset.with === view.other)));
    document.body.classList.toggle('only-diffs', Boolean(other) && view.only);
    const address = '../compare.html#runs=' + [key, view.other].filter(Boolean).join(',');
    $$('a[data-compare]').forEach(link => { link.href = address; });
  }

  async function overlay(name, quiet) {
    const field = $('#with');
    field.removeAttribute('aria-invalid');
    view.other = '';
    other = null;
    if (name) {
      try {
        const found = /^[0-9a-f]{12,64}$/.test(name) ? name : await called(name);
        const theirs = await gitml.load('runs/' + found);
        await tools();
        other = theirs;
        view.other = found;
        field.value = other.run.name;
      } catch (problem) {
        field.setAttribute('aria-invalid', 'true');
      }
    } else field.value = '';
    if (!quiet) save(true);
    if (other) await gitml.versus.show(own, other); else if (gitml.versus) gitml.versus.clear();
    redraw();
  }
  // What compares is only worth loading once somebody wants to.
  let loading;
  const tools = () => loading = loading || Promise.all($('.against').dataset.tools.split(' ').map(gitml.script));
  async function listed() {
    const stored = await gitml.load('runs');
    await tools();
    return gitml.runs.open(stored);
  }
  async function called(name) {
    const runs = await listed(), names = runs.column('name');
    const at = runs.keys.findIndex((each, nth) => names(nth) === name);
    if (at < 0) throw new Error('no such run');
    return runs.keys[at];
  }
  // Names to choose from are only worth loading once somebody wants to choose.
  let offered = false;
  async function offer() {
    if (offered) return;
    offered = true;
    const runs = await listed(), names = runs.column('name'), experiments = runs.column('experiment');
    const others = runs.keys.map((k, at) => at).filter(at => runs.keys[at] !== key);
    others.sort((a, b) => (experiments(b) === own.run.experiment) - (experiments(a) === own.run.experiment));
    const parent = own.run.parent ? others.filter(at => runs.ids[at] === own.run.parent) : [];
    $('#others').replaceChildren(...[...parent, ...others].slice(0, 500).map(at => element('option', { value: names(at) }, experiments(at))));
  }

  function save(push) {
    gitml.writeHash([['x', view.x === 'step' ? '' : view.x], ['log', view.log ? 1 : ''], ['sm', view.smoothing || ''], ['with', view.other], ['only', view.only ? 1 : ''], ['m', view.find]], push);
  }
  // Charts of a name; groups that were folded open for what is found in them.
  function found() {
    if (!$('#find')) return;
    const word = view.find.trim().toLowerCase();
    if ($('#find').value.trim().toLowerCase() !== word) $('#find').value = view.find;
    for (const chart of charts) chart.closest('figure').hidden = !chart.dataset.metric.toLowerCase().includes(word);
    for (const group of $$('.cols .charts:not(.files)')) {
      const empty = ![...group.children].some(figure => !figure.hidden), fold = group.closest('details');
      if (fold) { fold.hidden = empty; if (word && !empty) fold.open = true; } else group.hidden = empty;
      const head = group.previousElementSibling;
      if (head && head.matches('h3.above')) head.hidden = empty;
    }
  }
  function show() {
    $('#only').checked = view.only;
    found();
    if (!$('#log')) return;
    $$('.seg button').forEach(button => button.setAttribute('aria-pressed', String(button.dataset.x === view.x)));
    $('#log').checked = view.log;
    $('#sm').value = view.smoothing;
    $('#smo').value = view.smoothing ? view.smoothing.toFixed(2) : '0';
  }
  function read() {
    const hash = gitml.readHash();
    view.x = hash.get('x') === 'time' ? 'time' : 'step';
    view.log = hash.get('log') === '1';
    view.smoothing = Math.min(0.98, Math.max(0, parseFloat(hash.get('sm')) || 0));
    view.only = hash.get('only') === '1';
    view.find = $('#find') ? hash.get('m') || '' : '';
    show();
    if ((hash.get('with') || '') !== view.other) overlay(hash.get('with') || '', true);
    else redraw();
  }
  if ($('#log')) {
    $$('.seg button').forEach(button => button.addEventListener('click', () => { view.x = button.dataset.x; show(); save(true); redraw(); }));
    $('#log').addEventListener('change', event => { view.log = event.target.checked; save(true); redraw(); });
    $('#sm').addEventListener('input', event => { view.smoothing = Number(event.target.value); show(); save(); redraw(); });
  }
  if ($('#find')) $('#find').addEventListener('input', event => { view.find = event.target.value; found(); save(); });
  $('#only').addEventListener('change', event => { view.only = event.target.checked; save(true); legend(); });
  $$('[data-with]').forEach(button => button.addEventListener('click', () => overlay(view.other === button.dataset.with ? '' : button.dataset.with)));
  $('#with').addEventListener('focus', offer);
  $('#with').addEventListener('change', event => overlay(event.target.value.trim()));
  gitml.keys.set('/', [$('#find') ? 'find a metric' : 'another run beside it', () => ($('#find') || $('#with')).focus()]);
  gitml.keys.set('c', ['compare', () => { const link = $('a[data-compare]'); if (link) location.href = link.href; }]);
  addEventListener('popstate', read);
  $('#save').addEventListener('click', () => gitml.download(ownKey + '.json', 'application/json', JSON.stringify(own, null, 1) + '\n'));

  // Figures that the run kept as JSON.
  function figures() {
    for (const place of $$('.chart[data-figure]')) {
      const figure = own.figures[Number(place.dataset.figure)];
      if (!figure) continue;
      const asked = Object.assign({}, figure.layout, { autosize: true, showlegend: figure.layout.showlegend !== false && figure.data.length > 1, hovermode: 'closest' });
      const drawn = gitml.charts.layout(asked);
      drawn.margin = { l: 52, r: 20, t: figure.layout.title ? 44 : 16, b: 44 };
      drawn.colorway = ['--c1', '--c2', '--c3', '--c4', '--c5', '--c6'].map(gitml.css);
      // Where a figure names no scale, Plotly's own would be the loudest thing on the page.
      const scale = { colorscale: [[0, gitml.css('--sunk')], [1, gitml.css('--c1')]] };
      drawn.template = { data: Object.fromEntries(['heatmap', 'contour', 'histogram2d', 'histogram2dcontour'].map(type => [type, [scale]])) };
      drawn.paper_bgcolor = drawn.plot_bgcolor = 'rgba(0,0,0,0)';
      gitml.charts.plot(place, figure.data, drawn);
    }
  }
  read();
})();

'use strict';
// A run's page: its curves with one bar of controls, and another run laid over them.
(function () {
  const { $, $$, element } = gitml;
  const key = location.pathname.split('/').pop().replace(/\.html$/, '');
  const own = gitml.taken.get('runs/' + key) || [...gitml.taken.values()][0];
  const charts = $$('.chart[data-metric]');
  if (!own || !window.Plotly) return;
  const view = { x: 'step', log: false, smoothing: 0, other: '' };
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
  const again = gitml.charts.lazily(charts, draw);
  gitml.painters.push(redraw);
  function redraw() { legend(); again(); figures(); }

  function legend() {
    if (!$('#keys')) return;
    const entry = (name, color, drop) => {
      const made = element('span', { class: 'key', style: '--k: var(' + color + ')' }, name);
      if (drop) { const button = element('button', { class: 'btn icon', type: 'button', 'aria-label': 'Take the overlay off' }, '×'); button.addEventListener('click', () => overlay('')); made.append(button); }
      return made;
    };
    const color = gitml.colors([ownKey]).get(ownKey);
    $('#keys').replaceChildren(entry('this run', color), ...(other ? [entry(other.run.name, otherColor(), true)] : []));
  }

  // Params beside those of the other run, those that differ first to be seen.
  function versus() {
    const section = $('#params');
    if (!section) return;
    const table = section.querySelector('table'), head = table.tHead.rows[0];
    [...table.querySelectorAll('.theirs, tr.only')].forEach(cell => cell.remove());
    [...table.tBodies[0].rows].forEach(row => row.classList.remove('chg', 'same'));
    section.classList.remove('versus');
    if (!other) { $('#psaid').textContent = table.tBodies[0].rows.length; return; }
    head.append(element('th', { scope: 'col', class: 'num theirs' }, other.run.name));
    const theirs = new Map(Object.entries(other.run.params)), ours = new Map(Object.entries(own.run.params));
    let different = 0;
    const cellOf = (value, there) => element('td', { class: 'num mono theirs' }, there ? gitml.shown(value) : element('span', { class: 'muted' }, 'not set'));
    for (const row of [...table.tBodies[0].rows]) {
      const name = row.dataset.param, same = theirs.has(name) && JSON.stringify(theirs.get(name)) === JSON.stringify(ours.get(name));
      row.append(cellOf(theirs.get(name), theirs.has(name)));
      row.classList.toggle('chg', !same);
      row.classList.toggle('same', same);
      different += !same;
    }
    for (const [name, value] of theirs) {
      if (ours.has(name)) continue;
      different++;
      table.tBodies[0].append(element('tr', { class: 'only chg' }, element('th', { scope: 'row' }, element('code', {}, name)), element('td', { class: 'num mono' }, element('span', { class: 'muted' }, 'not set')), cellOf(value, true)));
    }
    const only = element('button', { class: 'btn', type: 'button', 'aria-pressed': 'false' }, 'Only these');
    only.addEventListener('click', () => only.setAttribute('aria-pressed', String(section.classList.toggle('versus'))));
    $('#psaid').replaceChildren(different + ' of ' + table.tBodies[0].rows.length + ' differ from ' + other.run.name + ' ', ...(different ? [only] : []));
  }

  async function overlay(name, quiet) {
    const field = $('#with');
    field.removeAttribute('aria-invalid');
    view.other = '';
    other = null;
    if (name) {
      try {
        const runs = gitml.runs.open(await gitml.load('runs')), names = runs.column('name');
        const at = runs.numbers.has(name) ? runs.numbers.get(name) : runs.keys.findIndex((k, n) => names(n) === name);
        if (at < 0) throw new Error('no such run');
        other = await gitml.load('runs/' + runs.keys[at]);
        view.other = runs.keys[at];
        field.value = names(at);
      } catch (problem) {
        field.setAttribute('aria-invalid', 'true');
      }
    } else field.value = '';
    if (!quiet) save();
    versus();
    redraw();
  }
  // Names to choose from are only worth loading once somebody wants to choose.
  let offered = false;
  async function offer() {
    if (offered) return;
    offered = true;
    const runs = gitml.runs.open(await gitml.load('runs')), names = runs.column('name'), experiments = runs.column('experiment');
    const listed = runs.keys.map((k, at) => at).filter(at => runs.keys[at] !== key);
    listed.sort((a, b) => (experiments(b) === own.run.experiment) - (experiments(a) === own.run.experiment));
    const parent = own.run.parent ? listed.filter(at => runs.ids[at] === own.run.parent) : [];
    $('#others').replaceChildren(...[...parent, ...listed].slice(0, 500).map(at => element('option', { value: names(at) }, experiments(at))));
  }

  function save() {
    gitml.writeHash([['x', view.x === 'step' ? '' : view.x], ['log', view.log ? 1 : ''], ['sm', view.smoothing || ''], ['with', view.other]]);
  }
  function show() {
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
    if (!$('#controls')) return figures();
    show();
    if ((hash.get('with') || '') !== view.other) overlay(hash.get('with') || '', true);
    else redraw();
  }
  if ($('#controls')) {
    $$('.seg button').forEach(button => button.addEventListener('click', () => { view.x = button.dataset.x; show(); save(); redraw(); }));
    $('#log').addEventListener('change', event => { view.log = event.target.checked; save(); redraw(); });
    $('#sm').addEventListener('input', event => { view.smoothing = Number(event.target.value); show(); save(); redraw(); });
    $('#with').addEventListener('focus', offer);
    $('#with').addEventListener('change', event => overlay(event.target.value.trim()));
    if (own.run.parent) $('#with').placeholder = 'another run, or the parent';
  }
  addEventListener('popstate', read);

  // Figures that the run kept as JSON.
  function figures() {
    for (const place of $$('.chart[data-figure]')) {
      const figure = own.figures[Number(place.dataset.figure)];
      if (!figure) continue;
      const asked = Object.assign({}, figure.layout, { autosize: true, showlegend: figure.layout.showlegend !== false && figure.data.length > 1, hovermode: 'closest' });
      const drawn = gitml.charts.layout(asked);
      drawn.margin = { l: 52, r: 20, t: figure.layout.title ? 44 : 16, b: 44 };
      drawn.colorway = ['--c1', '--c2', '--c3', '--c4', '--c5', '--c6'].map(gitml.css);
      drawn.paper_bgcolor = drawn.plot_bgcolor = 'rgba(0,0,0,0)';
      gitml.charts.plot(place, figure.data, drawn);
    }
  }
  read();
})();

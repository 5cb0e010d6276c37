'use strict';
// Two to ten runs side by side: curves laid over each other, metrics and params as columns.
(function () {
  const { $, $$, element } = gitml;
  const stored = gitml.taken.get('runs'), MOST = 10, CHARTS = 24;
  if (!stored) return;
  const runs = gitml.runs.open(stored), names = runs.column('name'), experiments = runs.column('experiment');
  const view = { x: 'step', log: false, smoothing: 0, only: true };
  // Of what was asked for the first ten are side by side; the others wait for one to be taken out.
  let asked = [], picked = [], unknown = 0, whole = new Map(), again = () => {};

  const row = key => runs.numbers.get(key);
  const label = key => names(row(key)) || key;
  function paint() {
    const colors = gitml.colors(picked);
    return key => ({ color: colors.get(key), dash: picked.filter(k => colors.get(k) === colors.get(key)).indexOf(key) % 2 ? 'dot' : 'solid' });
  }
  function picks() {
    const look = paint();
    $('#picks').replaceChildren(...picked.map(key => {
      const drop = element('button', { class: 'btn icon', type: 'button', 'aria-label': 'Take ' + label(key) + ' out' }, '×');
      drop.addEventListener('click', () => pick(asked.filter(k => k !== key)));
      return element('li', {}, element('span', { class: 'key' + (look(key).dash === 'dot' ? ' dotted' : ''), style: '--k: var(' + look(key).color + ')' }, element('a', { href: 'runs/' + key + '.html', title: label(key) }, label(key))), drop);
    }));
    $('#add').disabled = picked.length >= MOST;
    const many = picked.length + ' of ' + gitml.plural(asked.length, 'run') + ' side by side: a comparison takes ten. Take one out and the next comes in';
    const words = asked.length > MOST ? many : picked.length > 1 ? gitml.plural(picked.length, 'run') + ' side by side' : 'Two to ten runs side by side';
    $('#said').textContent = unknown ? words + '. ' + gitml.plural(unknown, 'run is', 'runs are') + ' not in this report' : words;
  }
  function heads(table, first, columns = picked) {
    const look = paint();
    table.style.setProperty('--n', columns.length);
    table.replaceChildren(element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, first), ...columns.map(key => element('th', { scope: 'col', class: 'num', title: label(key) }, element('span', { class: 'key' + (look(key).dash === 'dot' ? ' dotted' : ''), style: '--k: var(' + look(key).color + ')' }, label(key)))))), element('tbody', {}));
    return table.tBodies[0];
  }
  function metrics() {
    const body = heads($('#metrics'), 'Metric');
    for (const name of runs.leading) {
      const get = runs.column('metrics.' + name), values = picked.map(key => get(row(key)));
      if (values.every(value => value === null)) continue;
      if (view.only && picked.length > 1 && values.every(value => Object.is(value, values[0]))) continue;
      const known = values.filter(value => value !== null), least = runs.goal(name) === 'min';
      const top = new Set(known).size > 1 ? (least ? Math.min(...known) : Math.max(...known)) : null;
      body.append(element('tr', {}, element('th', { scope: 'row' }, element('code', {}, name), element('span', { class: 'muted small' }, least ? ' lower is better' : '')), ...values.map((value, nth) => {
        const cell = element('td', { class: 'num' });
        if (value === null) { cell.append(runs.isNaN('metrics.' + name, row(picked[nth])) ? 'nan' : '–'); return cell; }
        cell.append(value === top ? element('span', { class: 'best' }, gitml.number(value)) : gitml.number(value));
        const change = nth && values[0] !== null ? value - values[0] : 0;
        if (change) {
          const better = (change < 0) === least;
          cell.append(element('small', { class: better ? 'up' : 'down' }, (change > 0 ? ' ▲ ' : ' ▼ ') + gitml.number(Number(Math.abs(change).toPrecision(3)))));
        }
        return cell;
      })));
    }
    if (!body.rows.length) body.append(element('tr', {}, element('td', { colspan: picked.length + 1 }, runs.leading.some(name => picked.some(key => runs.column('metrics.' + name)(row(key)) !== null)) ? 'The metrics do not differ.' : 'None of them has a metric.')));
  }
  // Of a single run all is shown: there is nothing that it could differ from.
  const only = () => ({ only: view.only && picked.length > 1 });
  const FACTS = ['stage', 'experiment', 'status', 'created', 'duration', 'author', 'parent'];
  function params() {
    const body = heads($('#params'), 'Param');
    const listed = [...runs.names.params.map(n => ['params.' + n, n]), ...runs.labels.map(n => ['tags.' + n, 'tag ' + n]), ...FACTS.map(n => [n, n])];
    for (const [key, name] of listed) {
      const get = key === 'stage' ? runs.told : runs.column(key), values = picked.map(k => get(row(k)) ?? null);
      if (values.every(value => value === null)) continue;
      const text = value => key === 'created' ? String(value).slice(0, 16).replace('T', ' ') : key === 'parent' ? String(value).slice(0, 12) : key === 'duration' ? gitml.duration(Number(value)) : gitml.shown(value);
      const made = gitml.beside.row(name, values, only(), text);
      if (made) body.append(made);
    }
    if (!body.rows.length) body.append(element('tr', {}, element('td', { colspan: picked.length + 1 }, 'The params do not differ.')));
  }
  function lines(metric) {
    const look = paint(), found = [];
    for (const key of picked) {
      const data = whole.get(key), series = data && new Map(Object.entries(data.series)).get(metric);
      if (series && series.value.length) found.push({ name: label(key), x: data.axes[series.axis][view.x], y: series.value, ...look(key) });
    }
    return found;
  }
  function charts() {
    const counts = new Map();
    for (const key of picked) for (const [name, series] of Object.entries((whole.get(key) || { series: {} }).series)) if (series.count > 1) counts.set(name, (counts.get(name) || 0) + 1);
    const listed = [...counts].sort((a, b) => b[1] - a[1] || runs.leading.indexOf(a[0]) - runs.leading.indexOf(b[0])).map(([name]) => name);
    const figure = name => element('figure', { class: 'card' }, element('header', {}, element('h3', {}, element('code', { title: name }, name)), element('span', { class: 'end' }, counts.get(name) < picked.length ? gitml.plural(counts.get(name), 'run') : '')), element('div', { class: 'chart', 'data-metric': name, role: 'img', 'aria-label': name + ' of ' + gitml.plural(counts.get(name), 'run') }));
    const rest = listed.slice(CHARTS);
    $('#charts').replaceChildren(...listed.slice(0, CHARTS).map(figure));
    $$('#curves .fold').forEach(each => each.remove());
    if (rest.length) $('#curves').append(element('details', { class: 'fold' }, element('summary', {}, 'More curves ', element('span', { class: 'count' }, rest.length)), element('div', { class: 'charts' }, ...rest.map(figure))));
    $('#curves').hidden = !listed.length;
    $('#controls').hidden = !listed.length;
    again = gitml.charts.lazily($$('#curves .chart'), chart => gitml.charts.curves(chart, lines(chart.dataset.metric), view));
  }
  async function rest() {
    const look = paint(), shown = picked.filter(key => whole.has(key)), data = shown.map(key => whole.get(key));
    const machine = heads($('#environment'), 'Of the machine', shown), code = heads($('#code'), 'Of the code', shown);
    gitml.beside.inputs(heads($('#data'), 'Data', shown), data, only());
    await gitml.beside.environment(machine, data, only());
    await gitml.beside.code(code, data, only(), nth => element('span', { class: 'key', style: '--k: var(' + look(shown[nth]).color + ')' }, label(shown[nth])));
  }
  async function draw() {
    picks();
    const enough = picked.length > 0;
    $('#none').hidden = enough;
    $('#compared').hidden = !enough;
    if (!enough) return;
    metrics();
    params();
    const drawn = picked;
    const loaded = await Promise.all(drawn.map(key => whole.get(key) || gitml.load('runs/' + key).catch(() => null)));
    loaded.forEach((data, nth) => { if (data) whole.set(drawn[nth], data); });
    if (drawn.join() !== picked.join()) return;
    charts();
    await rest();
  }
  function save(push) {
    gitml.writeHash([['runs', asked.join(',')], ['x', view.x === 'step' ? '' : view.x], ['log', view.log ? 1 : ''], ['sm', view.smoothing || ''], ['all', view.only ? '' : 1]], push);
  }
  function pick(keys) { asked = [...new Set(keys)]; picked = asked.slice(0, MOST); save(true); draw(); }
  function show() {
    $$('.seg button').forEach(button => button.setAttribute('aria-pressed', String(button.dataset.x === view.x)));
    $('#log').checked = view.log;
    $('#sm').value = view.smoothing;
    $('#smo').value = view.smoothing ? view.smoothing.toFixed(2) : '0';
    $('#only').checked = view.only;
  }
  function read() {
    const hash = gitml.readHash();
    const listed = [...new Set((hash.get('runs') || '').split(',').filter(Boolean))];
    asked = listed.filter(key => runs.numbers.has(key));
    unknown = listed.length - asked.length;
    picked = asked.slice(0, MOST);
    view.x = hash.get('x') === 'time' ? 'time' : 'step';
    view.log = hash.get('log') === '1';
    view.smoothing = Math.min(0.98, Math.max(0, parseFloat(hash.get('sm')) || 0));
    view.only = hash.get('all') !== '1';
    show();
    draw();
  }
  let offered = false;
  $('#add').addEventListener('focus', () => {
    if (offered) return;
    offered = true;
    $('#others').replaceChildren(...runs.keys.slice(0, 500).map((key, at) => element('option', { value: names(at) }, experiments(at))));
  });
  $('#add').addEventListener('change', event => {
    const text = event.target.value.trim(), at = runs.numbers.has(text) ? runs.numbers.get(text) : runs.keys.findIndex((k, n) => names(n) === text);
    event.target.toggleAttribute('aria-invalid', Boolean(text) && at < 0);
    if (at >= 0) { event.target.value = ''; pick([...asked, runs.keys[at]]); }
  });
  const redraw = push => { show(); save(push); again(); };
  $$('.seg button').forEach(button => button.addEventListener('click', () => { view.x = button.dataset.x; redraw(true); }));
  $('#log').addEventListener('change', event => { view.log = event.target.checked; redraw(true); });
  $('#sm').addEventListener('input', event => { view.smoothing = Number(event.target.value); redraw(); });
  $('#only').addEventListener('change', event => { view.only = event.target.checked; save(true); metrics(); params(); rest(); });
  gitml.painters.push(() => again());
  addEventListener('popstate', read);
  addEventListener('hashchange', read);
  read();
})();

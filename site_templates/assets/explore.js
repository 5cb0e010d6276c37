'use strict';
// The page that explores runs: what is chosen, and which charts show it. All of it lives in the hash.
(function () {
  const { $, element } = gitml, { axis, nameOf, text } = gitml.plot;
  const stored = gitml.taken.get('runs'), place = $('#parallel');
  if (!stored || !place) return;
  const runs = gitml.runs.open(stored), MOST = 7, LISTED = 24, SAMPLE = 300000, PAUSE = 40, usualExperiment = place.dataset.experiment || '';
  const experiments = gitml.filter.experiments(runs);
  const state = { where: '', status: new Set(), experiment: '', metric: '', axes: null, scales: new Map(), brushes: new Map(), x: '', y: '', cx: '', cy: '' };
  const inputs = new Map(); // the axes of what is shown, by key
  let rows = [], chosen = new Uint8Array(runs.count), picked = [], keys = [], metrics = [], colour = null, all = false, turn = 0;

  const nameAt = at => runs.column('name')(at) || runs.keys[at];
  const pageOf = at => 'runs/' + runs.keys[at] + '.html';
  const shownAt = (key, at) => { const value = runs.column(key)(at); return key.startsWith('metrics') ? (value === null ? '–' : gitml.number(value)) : key === 'created' ? value.slice(0, 16).replace('T', ' ') : gitml.shown(value); };
  const said = brush => [...(brush.words ? [[...brush.words].slice(0, 3).join(', ') + (brush.words.size > 3 ? ' …' : '')] : []), ...(brush.none ? ['none'] : [])].join(' or ');
  function axisOf(key) {
    if (!inputs.has(key)) inputs.set(key, axis(runs, key, rows, state.scales.get(key)));
    return inputs.get(key);
  }
  const has = key => { const get = runs.column(key); return rows.some(at => { const value = get(at); return value !== null && value !== undefined; }); };
  function varies(key) {
    const get = runs.column(key);
    let first, some = false;
    for (const at of rows) {
      const value = get(at);
      if (value === null || value === undefined) continue;
      if (!some) { first = text(value); some = true; } else if (text(value) !== first) return true;
    }
    return false;
  }

  // What is filtered, before any range: it decides which columns there are.
  function gather() {
    const passed = gitml.filter.rows(runs, state);
    if (passed === null) return false;
    rows = passed;
    inputs.clear();
    metrics = runs.leading.filter(name => has('metrics.' + name));
    const params = runs.names.params.map(n => 'params.' + n).filter(has), tags = runs.labels.map(n => 'tags.' + n).filter(has);
    keys = [...params, ...metrics.map(n => 'metrics.' + n), ...tags, ...['status', 'experiment', 'branch', 'author', 'duration', 'created'].filter(key => runs.column(key) && has(key))];
    return true;
  }
  const metric = () => metrics.includes(state.metric) ? state.metric : metrics[0] || '';
  // The params that vary, those that go most closely together with the metric first, and the metric at the right.
  function usualAxes() {
    // For the order only, some of very many values will do.
    const named = keys.filter(key => key.startsWith('params.')).map(key => key.slice(7)), every = Math.ceil(rows.length * named.length / SAMPLE), some = rows.filter((_, nth) => nth % every === 0);
    const order = gitml.association.all(named.map(n => [n, some.map(runs.column('params.' + n))]), some.map(metric() ? runs.column('metrics.' + metric()) : () => null));
    const params = [...order.found.map(each => each.name), ...order.leftOut.map(([name]) => name)].map(n => 'params.' + n).filter(rows.length > 1 ? varies : has);
    const last = metric() ? ['metrics.' + metric()] : [], count = Math.min(MOST, Math.max(3, Math.floor(place.clientWidth / 120))) - last.length;
    const shown = [...params.slice(0, count), ...last];
    return shown.length > 1 ? shown : [...shown, ...keys.filter(key => !shown.includes(key) && (key.startsWith('metrics') || key === 'duration')).slice(0, 3)].slice(0, 4);
  }
  let usual = [];
  const axes = () => { const wanted = (state.axes || []).filter(key => keys.includes(key)); return wanted.length ? wanted : usual; };

  function passes(key, brush) {
    const get = gitml.plot.reader(runs, key);
    return at => {
      const value = get(at), none = gitml.plot.absent(value) || (!brush.words && typeof value === 'number' && !Number.isFinite(value));
      if (none) return Boolean(brush.none);
      return brush.words ? brush.words.has(text(value)) : typeof value === 'number' && value >= brush.lo && value <= brush.hi;
    };
  }
  function choose() {
    chosen.fill(0);
    const tests = [...state.brushes].map(([key, brush]) => passes(key, brush));
    picked = rows.filter(at => tests.every(test => test(at)));
    for (const at of picked) chosen[at] = 1;
  }
  // The ranges as gitml ls --where has them, so that the table shows the same runs.
  function expression() {
    const quote = value => typeof value === 'string' ? "'" + value.replace(/'/g, "''") + "'" : typeof value === 'object' ? "'" + JSON.stringify(value).replace(/'/g, "''") + "'" : String(value);
    const parts = state.where.trim() ? [gitml.filter.understood(state.where, runs).where] : [];
    for (const [key, brush] of state.brushes) {
      const name = runs.full(key), either = [], of = axisOf(key);
      if (brush.words) {
        const words = [...brush.words].filter(word => !of.words || of.values.has(word)).map(word => quote(of.words ? of.values.get(word) : word));
        if (words.length) either.push(`${name} in (${words.join(', ')})`);
      } else if (brush.lo !== undefined) {
        const end = value => key === 'created' ? quote(new Date(value).toISOString()) : String(value);
        either.push(`${name} between ${end(brush.lo)} and ${end(brush.hi)}`);
      }
      if (brush.none) either.push(`${name} is null`, ...(of.infinite ? [`${name} > 1.7976931348623157e308`, `${name} < -1.7976931348623157e308`] : []));
      parts.push(either.join(' or ') || '0');
    }
    return parts.length > 1 ? parts.map(part => `(${part}${part.includes('--') ? '\n' : ''})`).join(' and ') : parts.join('');
  }

  function draw() {
    if (!gather()) return;
    usual = usualAxes();
    redraw();
    gitml.filter.chips(runs, state, next => { state.experiment = next.experiment; changed(true); });
    controls();
  }
  // What a range changes; while it is dragged, the charts beside wait.
  function redraw(dragging) {
    choose();
    if (!colour || !dragging) colour = gitml.plot.colouring(runs, metric(), rows);
    $('#nothing').hidden = rows.length > 0;
    $('#main').classList.toggle('none', !rows.length);
    parallel.draw({ axes: axes().map(axisOf), rows, chosen, colour, brushes: state.brushes, dragging });
    counted();
    if (dragging) return;
    gitml.plot.legend($('#ramp'), colour);
    ranges();
    charts();
    associate();
    best();
  }
  function counted() {
    const all = rows.length.toLocaleString('en-US');
    $('#n').textContent = (picked.length < rows.length ? picked.length.toLocaleString('en-US') + ' of ' + all : all) + (rows.length === 1 ? ' run' : ' runs') + (state.experiment ? ' of ' + state.experiment : experiments.length > 1 ? ' of every experiment' : '') + (picked.length < rows.length ? ' in the ranges' : '');
    $('#table').href = gitml.filter.address('runs.html', { ...state, where: expression() });
    const compare = $('#compare');
    compare.hidden = picked.length < 2 || picked.length > 10;
    compare.href = 'compare.html#runs=' + picked.map(at => runs.keys[at]).join(',');
    compare.lastChild.textContent = 'Compare ' + picked.length;
  }
  // Params against the metric, as many at a time as nobody notices.
  function associate() {
    const name = metric(), of = gitml.association.ready(picked.map(name ? runs.column('metrics.' + name) : () => null));
    const names = keys.filter(key => key.startsWith('params.')).map(key => key.slice(7)), answers = [], mine = ++turn;
    const pick = param => { state.x = 'params.' + param; state.y = name && 'metrics.' + name; changed(true); $('#scatter').scrollIntoView({ block: 'nearest' }); };
    const show = () => gitml.explored.associations({ ...gitml.association.sorted(answers), metric: name, runs: picked.length, open: all, more: () => { all = true; show(); }, pick });
    (function some() {
      if (mine !== turn) return;
      const begun = performance.now();
      while (answers.length < names.length && performance.now() - begun < PAUSE) {
        const param = names[answers.length];
        answers.push([param, gitml.association.one(param, picked.map(runs.column('params.' + param)), of)]);
      }
      answers.length < names.length ? setTimeout(some) : show();
    })();
  }
  function best() {
    const name = metric(), get = name && runs.column('metrics.' + name), sign = name && runs.goal(name) === 'min' ? 1 : -1;
    const listed = get ? picked.filter(at => Number.isFinite(get(at)) && get(at) !== null).sort((a, b) => sign * (get(a) - get(b)) || a - b).slice(0, 8) : [];
    $('#best').hidden = !listed.length;
    $('#bestof').textContent = 'Best ' + name;
    $('#bestlist').replaceChildren(...listed.map(at => element('li', {}, element('a', { class: 'name', href: pageOf(at), title: nameAt(at) }, nameAt(at)), element('strong', { class: 'num' }, gitml.number(get(at))))));
  }
  function charts() {
    const leading = metric() && 'metrics.' + metric(), varied = axes().filter(key => key !== leading);
    const or = (wanted, usually) => keys.includes(wanted) ? wanted : usually || keys[0];
    const order = usual.filter(key => key.startsWith('params')), x = or(state.x, order[0] || varied[0]), y = or(state.y, leading);
    const cx = or(state.cx, order[0] || x), cy = or(state.cy, order.find(key => key !== cx) || keys.find(key => key !== cx) || cx);
    [['#sx', x], ['#sy', y], ['#cx', cx], ['#cy', cy]].forEach(([id, key]) => gitml.explored.options($(id), keys, key));
    for (const id of ['#scatter', '#contour']) $(id).closest('.card').hidden = rows.length < 2;
    if (rows.length < 2) return;
    for (const [id, key] of [['#sxlog', x], ['#sylog', y]]) { $(id).parentElement.hidden = !axisOf(key).canLog; $(id).checked = axisOf(key).log; $(id).dataset.key = key; }
    const drawn = scatter.draw({ x: axisOf(x), y: axisOf(y), rows, chosen, colour });
    $('#dotted').textContent = drawn < rows.length ? gitml.plural(rows.length - drawn, 'run') + ' without one of the two ' + (rows.length - drawn === 1 ? 'is' : 'are') + ' left out. Press a dot for its run.' : 'A dot for each run; press one for its page.';
    contour.draw({ x: axisOf(cx), y: axisOf(cy), rows, chosen, colour });
    $('#celled').textContent = colour.metric ? 'Each cell is the mean ' + colour.metric + ' of the runs in it. Nothing is interpolated: where no run was made, there is no colour.' : 'There is no metric to take the mean of.';
  }
  function controls() {
    const select = $('#metric');
    select.replaceChildren(...metrics.map(name => element('option', { value: name }, name)));
    select.value = metric();
    select.disabled = !metrics.length;
    $('#naxes').textContent = axes().length;
    gitml.explored.sheet(keys, axes(), next => { state.axes = next; changed(true); });
  }
  function ranges() {
    $('#clear').hidden = !state.brushes.size;
    $('#brushes').replaceChildren(...[...state.brushes].map(([key, brush]) => {
      const of = axisOf(key), words = brush.lo === undefined ? said(brush) : (of.said || String)(brush.lo) + ' – ' + (of.said || String)(brush.hi) + (brush.none ? ' or none' : '');
      const button = element('button', { class: 'btn chip', type: 'button', 'aria-pressed': 'true', title: 'Remove this range' }, element('span', {}, nameOf(key) + ' '), element('b', {}, words), ' ×');
      button.addEventListener('click', () => brushed(key, null, true));
      return button;
    }));
    gitml.explored.fields(axes().map(axisOf), state.brushes, (key, brush) => brushed(key, brush, true));
  }
  function brushed(key, brush, done) {
    brush ? state.brushes.set(key, brush) : state.brushes.delete(key);
    if (done) save(true);
    redraw(!done);
  }

  // ranges: key:n:0.001:0.1, key:c:forest:boosting, with m behind n or c for runs without a value
  const coded = encodeURIComponent;
  const written = ([key, brush]) => [coded(key), (brush.words ? 'c' : 'n') + (brush.none ? 'm' : ''), ...(brush.words ? [...brush.words].map(coded) : brush.lo === undefined ? [] : [brush.lo, brush.hi])].join(':');
  function decoded(part) { try { return decodeURIComponent(part); } catch (problem) { return ''; } }
  function brushesOf(hash) {
    const made = new Map();
    for (const part of hash.split(',').filter(Boolean)) {
      const [key, kind, ...rest] = part.split(':').map(decoded), none = kind && kind.endsWith('m');
      if (!runs.column(key) || !/^[nc]m?$/.test(kind || '')) continue;
      if (kind[0] === 'c') made.set(key, { words: new Set(rest), none });
      else if (rest.length === 2 && rest.every(value => value !== '' && Number.isFinite(Number(value)))) made.set(key, { lo: Number(rest[0]), hi: Number(rest[1]), none });
      else if (none) made.set(key, { none });
    }
    return made;
  }
  function save(push) {
    const same = !state.axes || (state.axes.length === usual.length && state.axes.every((key, nth) => key === usual[nth]));
    gitml.writeHash([
      ['q', state.where], ['status', [...state.status].sort().join(',')], ['experiment', state.experiment === usualExperiment ? '' : state.experiment], ['every', usualExperiment && !state.experiment ? 1 : ''],
      ['metric', state.metric], ['axes', same ? '' : state.axes.map(coded).join(',')], ['scale', [...state.scales].map(([key, scale]) => coded(key) + ':' + scale).join(',')],
      ['ranges', [...state.brushes].map(written).join(',')], ['x', state.x], ['y', state.y], ['cx', state.cx], ['cy', state.cy]], push);
  }
  function read() {
    const hash = gitml.readHash(), known = key => runs.column(key) ? key : '';
    state.where = hash.get('q') || '';
    state.status = new Set((hash.get('status') || '').split(',').filter(Boolean));
    state.experiment = experiments.includes(hash.get('experiment')) ? hash.get('experiment') : hash.has('every') ? '' : usualExperiment;
    state.metric = hash.get('metric') || '';
    const wanted = (hash.get('axes') || '').split(',').map(decoded).filter(key => key && runs.column(key));
    state.axes = wanted.length ? [...new Set(wanted)].slice(0, LISTED) : null;
    state.scales = new Map((hash.get('scale') || '').split(',').map(part => part.split(':').map(decoded)).filter(([key, scale]) => key && runs.column(key) && ['log', 'linear'].includes(scale)));
    state.brushes = brushesOf(hash.get('ranges') || '');
    for (const name of ['x', 'y', 'cx', 'cy']) state[name] = known(hash.get(name) || '');
    $('#q').value = state.where;
    draw();
  }
  function changed(push) { draw(); save(push); }

  const facts = (at, shown) => [...(metric() ? [[metric(), shownAt('metrics.' + metric(), at)]] : []), ...shown.filter(each => each.key !== 'metrics.' + metric()).slice(0, 8).map(each => [each.label, shownAt(each.key, at)])];
  const go = at => { location.href = pageOf(at); };
  const rescale = (key, scale) => { scale === axisOf(key).usual ? state.scales.delete(key) : state.scales.set(key, scale); changed(true); };
  const parallel = gitml.parallel(place, {
    name: nameAt, facts, open: go, brush: brushed, scale: rescale,
    move: (key, to) => { const list = axes().filter(each => each !== key); list.splice(Math.max(0, Math.min(list.length, to)), 0, key); state.axes = list; changed(true); },
    remove: key => { if (axes().length > 1) { state.axes = axes().filter(each => each !== key); changed(true); } },
    said: () => 'Parallel coordinates of ' + gitml.plural(rows.length, 'run') + ' over ' + axes().map(nameOf).join(', ') + '; ' + picked.length.toLocaleString('en-US') + ' in the ranges. Ranges can be typed below.',
  });
  const scatter = gitml.scatter.dots($('#scatter'), { name: nameAt, facts, open: go });
  const contour = gitml.scatter.cells($('#contour'), {
    pick: (x, across, i, y, up, j) => {
      for (const [of, cells, nth] of [[x, across, i], [y, up, j]]) { const [lo, hi] = cells.range(nth); state.brushes.set(of.key, of.words ? { words: new Set([lo]) } : { lo, hi }); }
      changed(true);
    },
  });

  let typing;
  $('#q').addEventListener('input', event => { clearTimeout(typing); typing = setTimeout(() => { state.where = event.target.value; draw(); save(false); }, 150); });
  $('#metric').addEventListener('change', event => { state.metric = event.target.value === metrics[0] ? '' : event.target.value; changed(true); });
  for (const [id, name] of [['#sx', 'x'], ['#sy', 'y'], ['#cx', 'cx'], ['#cy', 'cy']]) $(id).addEventListener('change', event => { state[name] = event.target.value; changed(true); });
  for (const id of ['#sxlog', '#sylog']) $(id).addEventListener('change', event => rescale(event.target.dataset.key, event.target.checked ? 'log' : 'linear'));
  $('#clear').addEventListener('click', () => { state.brushes.clear(); changed(true); });
  $('#usual').addEventListener('click', () => { state.axes = null; changed(true); });
  addEventListener('popstate', read);
  gitml.painters.push(() => redraw());
  gitml.keys.set('/', ['filter', () => $('#q').focus()]);
  gitml.keys.set('c', ['compare the runs in the ranges', () => { if (!$('#compare').hidden) location.href = $('#compare').href; }]);
  gitml.explored.paint = () => { const begun = performance.now(); parallel.now(); place.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1); return performance.now() - begun; };
  read();
})();

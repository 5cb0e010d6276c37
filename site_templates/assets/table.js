'use strict';
// The table of runs: filter, sort, pick columns, select, page. The first rows are in the page already.
(function () {
  const { $, $$, element, drawing } = gitml;
  const body = $('#rows'), table = $('#runs');
  const stored = gitml.taken.get('runs');
  if (!body || !stored) return;
  const runs = gitml.runs.open(stored), PAGE = 100;
  const usual = table.dataset.columns.split('\n');
  const usualHead = new Map($$('#runs thead tr:last-child th').slice(2).map((th, nth) => [usual[nth], th.className]));
  const all = [...(runs.made.size ? ['stage'] : []), ...runs.names.metrics.map(n => 'metrics.' + n), ...(runs.curve.metric ? ['spark'] : []), ...runs.names.params.map(n => 'params.' + n), ...runs.labels.map(n => 'tags.' + n), 'experiment', 'commit', 'branch', 'author', 'script', 'python', 'host', 'platform', 'note', 'duration', 'ended', 'updated', 'created'];
  const selected = new Set(), MOST = 40, BESIDE = 10;
  let view = [], columns = usual, where = '', sort = '', page = 1, status = new Set(), experiment = '', cursor = -1, untouched = true;

  const nameOf = key => key === 'spark' ? runs.curve.metric + ' curve' : key === 'created' ? 'started' : key === 'stage' ? 'Stage' : key.slice(key.indexOf('.') + 1);
  const groupOf = key => key === 'spark' ? 'metrics' : key.includes('.') ? key.slice(0, key.indexOf('.')) : ['commit', 'branch', 'author', 'script'].includes(key) ? 'git' : 'run';
  const numbers = new Map();
  function numeric(key) {
    if (key === 'created' || key === 'duration') return true;
    if (key === 'spark' || !key.includes('.')) return false;
    if (!numbers.has(key)) {
      const get = runs.column(key);
      let some = false, other = false;
      for (let at = 0; at < runs.count && !other; at++) {
        const value = get(at);
        if (typeof value === 'number') some = true;
        else if (value !== null && value !== undefined) other = true;
      }
      numbers.set(key, some && !other);
    }
    return numbers.get(key);
  }
  // What a column sorts by; stages are no attribute of runs, and stand beside them.
  function values(key) {
    if (key !== 'stage' || !runs.made.size) return runs.column(key);
    const first = ['production', 'staging', 'other', ''];
    return at => runs.made.has(at) ? first.indexOf(runs.made.get(at)[0].tone) : null;
  }
  const best = new Map();
  function bestOf(key) {
    if (!key.startsWith('metrics.')) return null;
    if (!best.has(key)) {
      const get = runs.column(key), least = runs.goal(key.slice(8)) === 'min';
      const found = new Set();
      let top = null;
      for (let at = 0; at < runs.count; at++) {
        const value = get(at);
        if (typeof value !== 'number' || Number.isNaN(value)) continue;
        if (found.size < 2) found.add(value);
        if (top === null || (least ? value < top : value > top)) top = value;
      }
      best.set(key, found.size > 1 ? top : null);
    }
    return best.get(key);
  }
  // On a small screen the columns of the greatest rank go first, as in the page's own heading.
  function classes(key, nth) {
    const edge = nth === 0 || groupOf(columns[nth - 1]) !== groupOf(key) ? ' edge' : '';
    const known = usualHead.get(key), rank = columns === usual && known ? (known.match(/\bp\d\b/) || [''])[0] : nth === 0 ? '' : nth < 3 ? 'p2' : nth < 8 ? 'p3' : 'p4';
    return ((numeric(key) ? 'num ' : '') + rank + edge).trim();
  }
  function cell(key, at) {
    if (key === 'spark') {
      const levels = runs.curve.levels[at];
      return levels ? drawing('svg', { class: 'spark', viewBox: '0 0 88 22', 'aria-hidden': 'true' }, drawing('path', { d: gitml.runs.sparkPath(levels) })) : '–';
    }
    if (key === 'stage') return runs.made.has(at) ? pills(runs.made.get(at)) : '–';
    const value = runs.column(key)(at);
    if ((key === 'created' || key === 'ended' || key === 'updated') && value) {
      return element('time', { datetime: value, title: value.slice(0, 16).replace('T', ' ') + ' UTC' }, gitml.ago(Date.parse(value)));
    }
    if (key === 'commit' && value) {
      const address = runs.commits.get(value);
      return address ? element('a', { class: 'mono', href: address }, value.slice(0, 7)) : value.slice(0, 7);
    }
    if (value === null && runs.isNaN(key, at)) return 'nan';
    if (key === 'duration') return value === null ? '–' : gitml.duration(value);
    if (key === 'dirty') return value ? 'yes' : 'no';
    if (key.startsWith('metrics') && value === null) return '–';
    const top = bestOf(key), text = key.startsWith('metrics') ? gitml.number(value) : gitml.shown(value);
    return top !== null && value === top ? element('span', { class: 'best' }, text) : text;
  }
  function pills(made) {
    const drawn = document.createDocumentFragment();
    for (const each of made.slice(0, 2)) drawn.append(element(each.href ? 'a' : 'span', { class: 'pill ' + (each.tone || 'plain'), href: each.href, title: each.said }, each.text), ' ');
    if (made.length > 2) drawn.append(element('small', {}, '+' + (made.length - 2)));
    return drawn;
  }
  function pill(word) { return element('span', { class: 'pill ' + word }, word); }
  function row(at) {
    const key = runs.keys[at], name = runs.column('name')(at) || key, state = runs.column('status')(at), staged = (runs.made.get(at) || []).filter(each => each.tone);
    const box = element('input', { type: 'checkbox', 'aria-label': 'Select ' + name });
    box.checked = selected.has(key);
    const tr = element('tr', { 'data-key': key, class: selected.has(key) ? 'sel' : null },
      element('td', { class: 'pin' }, box, element('a', { class: 'name', href: 'runs/' + key + '.html', title: name }, name), state === 'finished' && !staged.length ? null : element('span', { class: 'sub' }, state === 'finished' ? '' : pill(state), pills(staged))),
      element('td', { class: 'pst' }, pill(state)));
    columns.forEach((column, nth) => tr.append(element('td', { class: classes(column, nth) }, cell(column, at))));
    return tr;
  }
  function head() {
    const groups = element('tr', { class: 'grp' }, element('td', { class: 'pin' }), element('td', { class: 'pst' }));
    const names = element('tr', {}, heading('name', 'Run', 'pin'), heading('status', 'Status', 'pst'));
    columns.forEach((key, nth) => {
      const look = classes(key, nth), first = nth === 0 || groupOf(columns[nth - 1]) !== groupOf(key), group = groupOf(key);
      groups.append(element('td', { class: look.replace('num', '').trim() }, first && group !== 'run' ? group : ''));
      names.append(heading(key, nameOf(key), look));
    });
    table.tHead.replaceChildren(groups, names);
  }
  // Of the usual columns those go that do not fit, the least important first; whoever chose others may scroll.
  function fit() {
    const heads = [...table.tHead.rows[1].cells], place = table.parentElement;
    const cells = nth => [table.tHead.rows[0].cells[nth], heads[nth], ...[...body.rows].map(tr => tr.cells[nth]).filter(Boolean)];
    heads.forEach((head, nth) => { if (head.classList.contains('off')) cells(nth).forEach(each => each.classList.remove('off')); });
    if (columns !== usual) return;
    let over = place.scrollWidth - place.clientWidth;
    const rank = head => Number((head.className.match(/\bp(\d)\b/) || [0, 0])[1]);
    const least = heads.map((head, nth) => [rank(head), nth]).filter(([of]) => of).sort((a, b) => b[0] - a[0] || b[1] - a[1]);
    for (const [, nth] of least) {
      if (over <= 0) break;
      over -= heads[nth].offsetWidth;
      cells(nth).forEach(each => each.classList.add('off'));
    }
  }
  function heading(key, text, look) {
    const by = sort.replace(/^-/, '') === key ? (sort.startsWith('-') ? 'descending' : 'ascending') : null;
    return element('th', { scope: 'col', class: look, title: text, 'aria-sort': by }, key === 'spark' ? text : element('button', { type: 'button', 'data-k': key }, text));
  }

  // As gitml ls --sort: runs without a value come last, whichever way.
  function ordered(found) {
    const get = sort && values(sort.replace(/^-/, ''));
    if (!get) return found;
    const sign = sort.startsWith('-') ? -1 : 1, known = new Map(found.map(at => [at, get(at)]));
    const rank = value => value === null || value === undefined || Number.isNaN(value) ? 2 : typeof value === 'number' || typeof value === 'boolean' ? 0 : 1;
    return found.slice().sort((a, b) => {
      const x = known.get(a), y = known.get(b), kinds = rank(x) - rank(y);
      if (rank(x) === 2 || rank(y) === 2) return kinds;
      if (kinds) return sign * kinds;
      return x < y ? -sign : x > y ? sign : a - b;
    });
  }
  function draw() {
    const found = gitml.filter.rows(runs, { where, status, experiment });
    if (found !== null) view = ordered(found);
    const pages = Math.max(1, Math.ceil(view.length / PAGE));
    page = Math.min(Math.max(1, page), pages);
    const start = (page - 1) * PAGE, end = Math.min(view.length, start + PAGE);
    const asIs = untouched && columns === usual && !where && !sort && page === 1 && !status.size && !experiment && !selected.size;
    if (!asIs) {
      untouched = false;
      head();
      body.replaceChildren(...view.slice(start, end).map(row));
      if (!view.length) body.append(element('tr', {}, element('td', { colspan: columns.length + 2 }, 'No run matches.')));
    }
    fit();
    cursor = -1;
    $('#n').textContent = view.length ? (start + 1).toLocaleString('en-US') + '–' + end.toLocaleString('en-US') + ' of ' + view.length.toLocaleString('en-US') + (view.length < runs.count ? ' (' + runs.count.toLocaleString('en-US') + ' in all)' : '') : 'none of ' + runs.count.toLocaleString('en-US');
    $('#prev').disabled = page <= 1;
    $('#next').disabled = page >= pages;
    $('#ncols').textContent = columns.length;
    gitml.filter.chips(runs, { status, experiment }, picked => { experiment = picked.experiment; page = 1; changed(true); });
  }
  // Columns that are shown, in their order, and below them all others by what they are.
  const TITLES = new Map([['metrics', 'Metrics'], ['params', 'Params'], ['tags', 'Tags'], ['git', 'Git'], ['run', 'Run']]);
  function sheet() {
    const word = $('#colq').value.toLowerCase(), fits = key => key.toLowerCase().includes(word);
    const put = (next, focus) => {
      columns = next;
      changed(true);
      sheet();
      const again = $$('#collist [data-f]').find(each => each.dataset.f === focus);
      if (again) again.focus();
    };
    const move = (key, by, sign, said) => {
      const button = element('button', { type: 'button', 'aria-label': 'Move ' + key + ' ' + said, 'data-f': sign + key }, sign);
      button.addEventListener('click', () => {
        const at = columns.indexOf(key), to = at + by, moved = columns.slice();
        if (to < 0 || to >= columns.length) return;
        moved.splice(at, 1);
        moved.splice(to, 0, key);
        put(moved, sign + key);
      });
      return button;
    };
    const line = key => {
      const on = columns.includes(key), box = element('input', { type: 'checkbox', 'data-f': key });
      box.checked = on;
      box.addEventListener('change', () => put(on ? columns.filter(k => k !== key) : [...columns, key], key));
      return element('li', {}, element('label', { title: key }, box, ' ' + (on && key !== 'spark' ? key : nameOf(key))), ...(on ? [move(key, -1, '↑', 'to the left'), move(key, 1, '↓', 'to the right')] : []));
    };
    const title = (text, count, end) => element('li', { class: 'of' }, element('b', {}, text + ' '), element('span', { class: 'count' }, count.toLocaleString('en-US')), end || null);
    const back = element('button', { type: 'button' }, 'as usual');
    back.addEventListener('click', () => put(usual, usual[0]));
    const listed = [title('Shown', columns.length, columns === usual ? null : back), ...columns.filter(fits).map(line)];
    for (const [group, text] of TITLES) {
      const others = all.filter(key => groupOf(key) === group && !columns.includes(key) && fits(key));
      if (others.length) listed.push(title(text, others.length), ...others.slice(0, MOST).map(line));
      if (others.length > MOST) listed.push(element('li', { class: 'muted' }, (others.length - MOST).toLocaleString('en-US') + ' more: part of a name finds them'));
    }
    $('#collist').replaceChildren(...listed);
  }
  function save(push) {
    const same = columns.length === usual.length && columns.every((key, nth) => key === usual[nth]);
    if (same) columns = usual;
    gitml.writeHash([['q', where], ['status', [...status].sort().join(',')], ['experiment', experiment], ['sort', sort], ['page', page > 1 ? page : ''], ['cols', columns === usual ? '' : columns.map(encodeURIComponent).join(',')], ['sel', [...selected].join(',')]], push);
  }
  function changed(push) { save(push); draw(); picked(); }
  function picked() {
    const compare = $('#compare'), explore = $('#explore');
    if (explore) explore.href = gitml.filter.address('explore.html', { where, status, experiment }, true);
    if (!compare) return;
    compare.hidden = selected.size < 2;
    compare.href = 'compare.html#runs=' + [...selected].join(',');
    compare.lastChild.textContent = 'Compare ' + (selected.size > BESIDE ? BESIDE + ' of ' : '') + selected.size;
    compare.title = selected.size > BESIDE ? 'A comparison takes ten runs: the first ten that were selected' : '';
  }
  function read() {
    const hash = gitml.readHash();
    where = hash.get('q') || '';
    sort = values((hash.get('sort') || '').replace(/^-/, '')) ? hash.get('sort') : '';
    page = parseInt(hash.get('page'), 10) || 1;
    status = new Set((hash.get('status') || '').split(',').filter(Boolean));
    experiment = hash.get('experiment') || '';
    const wanted = (hash.get('cols') || '').split(',').filter(Boolean).map(decodeURIComponent).filter(key => all.includes(key));
    columns = wanted.length ? wanted : usual;
    selected.clear();
    (hash.get('sel') || '').split(',').filter(key => runs.numbers.has(key)).forEach(key => selected.add(key));
    $('#q').value = where;
    draw();
    picked();
  }
  function select(tr, on) {
    const key = tr.dataset.key;
    on ? selected.add(key) : selected.delete(key);
    tr.classList.toggle('sel', on);
    tr.querySelector('input').checked = on;
    untouched = false;
    save(false);
    picked();
  }
  function move(by) {
    const rows = [...body.rows].filter(tr => tr.dataset.key);
    if (!rows.length) return;
    cursor = Math.min(rows.length - 1, Math.max(0, cursor + by));
    rows.forEach((tr, nth) => tr.classList.toggle('at', nth === cursor));
    rows[cursor].scrollIntoView({ block: 'nearest' });
  }
  const current = () => [...body.rows][cursor];

  let typing;
  $('#q').addEventListener('input', event => { clearTimeout(typing); typing = setTimeout(() => { where = event.target.value; page = 1; changed(false); }, 120); });
  table.addEventListener('click', event => {
    const button = event.target.closest('thead button');
    if (!button) return;
    const key = button.dataset.k, downFirst = key === 'created' || (key.startsWith('metrics.') && runs.goal(key.slice(8)) === 'max');
    const first = downFirst ? '-' + key : key, second = downFirst ? key : '-' + key;
    sort = sort === first ? second : sort === second ? '' : first;
    page = 1;
    changed(true);
    const again = $$('#runs thead button').find(b => b.dataset.k === key);
    if (again) again.focus();
  });
  body.addEventListener('change', event => select(event.target.closest('tr'), event.target.checked));
  $('#prev').addEventListener('click', () => { page--; changed(true); });
  $('#next').addEventListener('click', () => { page++; changed(true); });
  $('#columns').addEventListener('toggle', sheet);
  $('#colq').addEventListener('input', sheet);
  addEventListener('click', event => { if (!event.target.closest('#columns') && event.target.isConnected) $('#columns').open = false; });
  addEventListener('keydown', event => { if (event.key === 'Escape') $('#columns').open = false; });
  addEventListener('popstate', read);
  addEventListener('resize', fit);

  const plain = value => value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const exported = () => ['id', 'name', 'experiment', 'status', ...columns.filter(key => key !== 'spark' && key !== 'experiment')];
  const told = (key, at) => key === 'stage' ? runs.told(at) : runs.column(key)(at);
  $('#csv').addEventListener('click', () => {
    const keys = exported(), quote = text => /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    const lines = [keys, ...view.map(at => keys.map(key => plain(told(key, at))))].map(values => values.map(quote).join(','));
    gitml.download('runs.csv', 'text/csv', lines.join('\n') + '\n');
  });
  $('#json').addEventListener('click', () => {
    const keys = exported();
    const listed = view.map(at => Object.fromEntries(keys.map(key => { const value = told(key, at); return [key, typeof value === 'number' && !Number.isFinite(value) ? null : value]; })));
    gitml.download('runs.json', 'application/json', JSON.stringify({ schema: 1, runs: listed }, null, 1) + '\n');
  });
  gitml.keys.set('/', ['filter', () => $('#q').focus()]);
  gitml.keys.set('j', ['next run', () => move(1)]);
  gitml.keys.set('k', ['previous run', () => move(-1)]);
  gitml.keys.set('o', ['open the run', () => { const tr = current(); if (tr) location.href = tr.querySelector('a.name').href; }]);
  gitml.keys.set('c', ['compare the selected', () => { if (selected.size > 1) location.href = $('#compare').href; }]);
  gitml.keys.set('x', ['select the run', () => { const tr = current(); if (tr) select(tr, !tr.querySelector('input').checked); }]);
  read();
})();

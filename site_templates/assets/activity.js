'use strict';
// The log: chosen by model, stage and person, a hundred at a time. The first hundred stand in
// the page; the others are loaded when somebody asks for them.
(function () {
  const { $, element: el } = gitml;
  const PAGE = 100, CHOICES = ['model', 'stage', 'by'];
  const body = $('#rows'), first = [...body.rows], said = $('#count').cloneNode(true);
  const newer = $('#newer'), older = $('#older');  // there only if there is more than a page
  let view = { page: 1 }, shown = null;

  const link = (text, href) => href ? el('a', { href }, text) : document.createTextNode(text);
  function stage(event) {
    return el('span', { class: 'pill ' + (event.told.tone || 'other') }, event.stage);
  }
  function mark(each) {
    const facts = { class: ('mark ' + each.tone).trim(), title: each.said };
    return each.href ? el('a', { ...facts, href: each.href }, each.text) : el('span', facts, each.text);
  }
  function row(event) {
    const what = el('span', { class: 'what' }, event.told.lead);
    if (event.version) what.append(' ', link(event.version, event.version_page));
    if (event.stage) what.append(' ' + event.told.joint + ' ', stage(event));
    const happened = el('td', { class: 'happened' }, what);
    if (event.told.tail) happened.append(' ', el('span', { class: 'muted' }, event.told.tail));
    if (event.reason) happened.append(el('span', { class: 'why' }, event.reason));
    happened.append(el('span', { class: 'since only-phone' }, link(event.model, event.model_page), ' · ' + event.by));
    const how = el('td', { class: 'p2 how' });
    event.marks.forEach(each => how.append(' ', mark(each)));
    const text = event.at.slice(0, 16).replace('T', ' ') + ' UTC';
    return el('tr', {},
      el('td', { class: 'when' }, el('time', { datetime: event.at }, text)), happened,
      el('td', { class: 'p2 of', title: event.model }, link(event.model, event.model_page)),
      el('td', { class: 'p2' }, event.by), how);
  }

  function turn(back, on) {
    if (!older) return;
    newer.disabled = !back;
    older.disabled = !on;
  }
  const chosen = () => CHOICES.filter(key => view[key]);
  function draw(events) {
    const found = events.filter(event => chosen().every(key => event[key] === view[key]));
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const page = Math.min(view.page, pages), start = (page - 1) * PAGE;
    const part = found.slice(start, start + PAGE);
    body.replaceChildren(...part.map(row));
    const range = found.length > PAGE ? (start + 1) + '–' + (start + part.length) + ' of ' : '';
    $('#count').textContent = range + gitml.plural(found.length, 'event') + (chosen().length ? ' (' + events.length.toLocaleString('en-US') + ' in all)' : '');
    if (!found.length) body.append(el('tr', {}, el('td', { colspan: '5', class: 'muted' }, 'Nothing of this happened.')));
    turn(page > 1, page < pages);
    view.page = page;
  }
  function plain() {
    body.replaceChildren(...first);
    $('#count').replaceChildren(...said.cloneNode(true).childNodes);
    turn(false, true);
  }
  function show() {
    const asked = shown = {};
    if (!chosen().length && view.page === 1) return plain();
    gitml.load('activity').then(data => { if (shown === asked) draw(data.events); }, () => { $('#said').textContent = 'The data of this page is missing.'; });
  }
  function read() {
    const hash = gitml.readHash();
    view = { page: Math.max(1, Number.parseInt(hash.get('page'), 10) || 1) };
    for (const key of CHOICES) {
      const select = $('#' + key);
      if (!select) continue;
      const wanted = hash.get(key) || '';
      select.value = [...select.options].some(option => option.value === wanted) ? wanted : '';
      view[key] = select.value;
    }
    show();
  }
  function write(push) {
    gitml.writeHash([...CHOICES.map(key => [key, view[key]]), ['page', view.page > 1 ? view.page : '']], push);
    show();
  }
  for (const key of CHOICES) {
    const select = $('#' + key);
    if (select) select.addEventListener('change', () => { view = { ...view, [key]: select.value, page: 1 }; write(true); });
  }
  for (const [button, step] of older ? [[newer, -1], [older, 1]] : []) {
    button.addEventListener('click', () => { view = { ...view, page: view.page + step }; write(true); scrollTo(0, 0); });
  }
  addEventListener('hashchange', read);
  addEventListener('popstate', read);
  read();
})();

'use strict';
// Another run beside the one of the page: its column in each table, and what differs.
gitml.versus = (function () {
  const { $, $$, element } = gitml;
  const map = found => new Map(Object.entries(found || {}));
  const MACHINE = [['Python', 'python'], ['System', 'platform'], ['Host', 'host'], ['CPU', 'cpu'], ['GPU', 'gpu']];

  function machine(run) {
    const known = run.environment || {}, found = new Map();
    for (const [label, name] of MACHINE) if (known[name]) found.set(label, known[name]);
    for (const [name, value] of Object.entries(known.variables || {})) found.set(name, value);
    return found;
  }
  const values = data => new Map(Object.entries(data.run.metrics || {}).map(([name, metric]) => [name, metric.last]));

  function clear() {
    $$('.theirs, .pairwise tr.other').forEach(each => each.remove());
    $$('.pairwise tr').forEach(row => row.classList.remove('chg', 'same'));
    $$('.pairwise .tally').forEach(said => { if (said.usual) said.replaceChildren(...said.usual); });
  }
  const absent = () => element('span', { class: 'muted' }, 'not set');
  const cell = (value, there, mark) => element('td', { class: 'num mono theirs' }, there ? gitml.shown(value) : absent(), mark || null);

  // How much better or worse this run is than the other, in a sign, a number and a colour.
  function change(own, name, theirs) {
    const last = values(own).get(name), by = last - theirs;
    if (typeof last !== 'number' || typeof theirs !== 'number' || !Number.isFinite(by) || !by) return null;
    const better = (by < 0) === (map(own.goals).get(name) === 'min');
    return element('small', { class: 'theirs ' + (better ? 'up' : 'down') }, (by > 0 ? ' ▲ ' : ' ▼ ') + gitml.number(Number(Math.abs(by).toPrecision(3))));
  }
  // Puts the other's column into a table; further rows are [name, ours, theirs].
  function fill(section, ours, theirs, label, further, mark) {
    const table = section.querySelector('table'), body = table.tBodies[0];
    const width = table.tHead.rows[0].cells.length;
    table.tHead.rows[0].append(element('th', { scope: 'col', class: 'num theirs', title: label }, label));
    let different = 0;
    const listed = new Set();
    for (const row of [...body.rows]) {
      const name = row.dataset.name, same = theirs.has(name) && JSON.stringify(theirs.get(name)) === JSON.stringify(ours.get(name));
      listed.add(name);
      row.append(cell(theirs.get(name), theirs.has(name), mark && mark(name, theirs.get(name))));
      row.classList.add(same ? 'same' : 'chg');
      different += !same;
    }
    const more = further || [...theirs].filter(([name]) => !listed.has(name)).map(([name, value]) => [name, undefined, value]);
    for (const [name, mine, value] of more) {
      different++;
      const blank = Array.from({ length: width - 2 }, () => element('td', {}));
      body.append(element('tr', { class: 'other chg' }, element('th', { scope: 'row' }, element('code', {}, name)), ...blank, element('td', { class: 'num mono' }, mine === undefined ? absent() : gitml.shown(mine)), cell(value, value !== undefined)));
    }
    const said = section.querySelector('.tally');
    said.usual = said.usual || [...said.childNodes];
    section.classList.toggle('alike', !different);
    said.replaceChildren(different ? different + ' of ' + body.rows.length + ' differ' : 'no difference');
    return different;
  }
  async function packages(own, other) {
    const read = async data => data.packages ? new Map((await gitml.load('packages/' + data.packages.key)).packages) : null;
    if (!own.packages || !other.packages || own.packages.key === other.packages.key) return [];
    const [ours, theirs] = await Promise.all([read(own), read(other)]);
    const names = [...new Set([...ours.keys(), ...theirs.keys()])].sort();
    return names.filter(name => ours.get(name) !== theirs.get(name)).map(name => [name, ours.get(name), theirs.get(name)]);
  }
  async function show(own, other) {
    const installed = await packages(own, other).catch(() => []);
    clear();
    const label = other.run.name;
    if ($('#params')) fill($('#params'), map(own.run.params), map(other.run.params), label);
    if ($('#values')) {
      const listed = new Set($$('#values tbody tr').map(row => row.dataset.name));
      const theirs = new Map([...values(other)].filter(([name]) => listed.has(name)));
      fill($('#values'), values(own), theirs, label, [], (name, value) => change(own, name, value));
    }
    if ($('#environment')) {
      const ours = machine(own.run), theirs = machine(other.run);
      const others = [...theirs].filter(([name]) => !ours.has(name)).map(([name, value]) => [name, undefined, value]);
      fill($('#environment'), ours, theirs, label, [...others, ...installed]);
    }
    const last = values(other);
    for (const fact of $$('.facts > div')) {
      const name = fact.querySelector('dt').title, made = last.has(name) ? change(own, name, last.get(name)) : null;
      if (made) fact.querySelector('dd').append(made);
    }
    code(own, other, label);
  }
  // What lies between the two commits, where their host shows it.
  function code(own, other, label) {
    const list = $('#source');
    if (!list) return;
    const a = (other.run.source || {}).commit, b = (own.run.source || {}).commit;
    if (!a || !b) return;
    const said = a === b ? 'the same commit' : a.slice(0, 7) + '…' + b.slice(0, 7);
    const template = a !== b && own.links.diff && own.links.diff === other.links.diff ? own.links.diff : null;
    const address = template && template.replace('{before}', encodeURIComponent(a)).replace('{after}', encodeURIComponent(b));
    const work = data => data.code ? data.code.key : '';
    const uncommitted = work(own) === work(other) ? (work(own) ? ', with the same uncommitted changes' : '') : ', with other uncommitted changes';
    list.append(element('dt', { class: 'theirs' }, 'Against ' + label), element('dd', { class: 'theirs' }, address ? element('a', { class: 'mono', href: address }, said) : said, uncommitted));
  }
  return { clear, machine, show };
})();

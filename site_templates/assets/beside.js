'use strict';
// Machines, packages and code of several runs, a column for each.
gitml.beside = (function () {
  const { $, element } = gitml;
  const KINDS = new Map([['+', 'add'], ['-', 'del'], ['@', 'hunk'], [' ', 'same']]);
  const LINES = 400;
  const alike = values => values.every(value => JSON.stringify(value) === JSON.stringify(values[0]));
  const absent = word => element('span', { class: 'muted' }, word);

  // A row of a table, or null where nothing is to be said.
  function row(name, values, view, show) {
    if (values.every(value => value === null || value === undefined)) return null;
    const same = alike(values);
    if (same && view.only) return null;
    const cells = values.map((value, nth) => element('td', { class: 'num mono' }, value === null || value === undefined ? absent('not set') : show ? show(value, nth) : gitml.shown(value)));
    return element('tr', { class: same || view.only ? null : 'chg' }, element('th', { scope: 'row' }, element('code', {}, name)), ...cells);
  }
  function put(body, rows, nothing) {
    const found = rows.filter(Boolean);
    body.replaceChildren(...found);
    if (!found.length) body.append(element('tr', {}, element('td', { colspan: body.parentElement.tHead.rows[0].cells.length, class: 'muted' }, nothing)));
  }
  const load = (kind, key) => key ? gitml.load(kind + '/' + key).catch(() => null) : Promise.resolve(null);

  async function environment(body, data, view) {
    const machines = data.map(each => gitml.versus.machine(each.run));
    const names = [...new Set(machines.flatMap(machine => [...machine.keys()]))];
    const lists = await Promise.all(data.map(each => load('packages', each.packages && each.packages.key)));
    const packages = lists.map(list => list && new Map(list.packages));
    const known = packages.filter(Boolean);
    const installed = [...new Set(known.flatMap(list => [...list.keys()]))].sort((a, b) => a.localeCompare(b, 'en'));
    put(body, [
      ...names.map(name => row(name, machines.map(machine => machine.get(name) ?? null), view)),
      ...(known.length ? installed.map(name => row(name, packages.map(list => list ? list.get(name) ?? null : null), view)) : []),
    ], data.length > 1 ? 'The machines and packages do not differ.' : 'Nothing is known of the machine.');
  }

  // Which data each run read: two with the same digest are the same, whatever they are called.
  function inputs(body, data, view) {
    const told = input => (input.rows ? gitml.plural(input.rows, 'row') + ', ' : '') + (input.digest ? input.digest.replace(/^sha256:/, '').slice(0, 12) : input.uri || 'no digest');
    const read = data.map(each => new Map((each.run.inputs || []).map(input => [input.name + (input.context ? ' (' + input.context + ')' : ''), told(input)])));
    const names = [...new Set(read.flatMap(found => [...found.keys()]))];
    put(body, names.map(name => row(name, read.map(found => found.get(name) ?? null), view)), names.length ? 'They read the same data.' : 'No data was recorded.');
  }

  // The parts of a patch by file: {added, removed, lines}.
  function files(patch) {
    const found = new Map();
    let file = null, within = false, name = '';
    for (const line of patch ? patch.diff.split('\n') : []) {
      if (line.startsWith('diff --git ')) {
        file = { added: 0, removed: 0, lines: [] };
        within = false;
        name = line.slice(line.lastIndexOf('b/') + 2).replace(/"$/, '');
        found.set(name, file);
      } else if (file && !within && /^(\+\+\+ b\/|rename to )/.test(line)) {
        found.delete(name);
        name = line.replace(/^(\+\+\+ b\/|rename to )/, '').replace(/\t$/, '');
        found.set(name, file);
      } else if (file) {
        if (line.startsWith('@@ ')) within = true;
        if (!within) { if (line.startsWith('Binary ')) file.lines.push(line); continue; }
        file.lines.push(line);
        file.added += line[0] === '+';
        file.removed += line[0] === '-';
      }
    }
    return found;
  }
  function count(file) {
    return element('span', {}, element('ins', {}, '+' + file.added), ' ', element('del', {}, '−' + file.removed));
  }
  function drawn(file) {
    const lines = file.lines.slice(0, LINES).filter((line, nth) => line || nth < file.lines.length - 1);
    const left = file.lines.length - LINES;
    const spans = lines.map(line => element('span', { class: KINDS.get(line[0]) || 'hunk' }, line || ' '));
    if (left > 0) spans.push(element('span', { class: 'hunk' }, gitml.plural(left, 'more line')));
    return element('pre', { class: 'diff', tabindex: '0' }, ...spans);
  }
  function commit(data, first, nth) {
    return value => {
      const link = data[nth].links.commit, text = value.slice(0, 7), start = (first.run.source || {}).commit;
      const template = data[nth].links.diff === first.links.diff ? first.links.diff : null;
      const made = element('span', {}, link ? element('a', { href: link }, text) : text);
      if (nth && template && start && start !== value) {
        const address = template.replace('{before}', encodeURIComponent(start)).replace('{after}', encodeURIComponent(value));
        made.append(' ', element('a', { class: 'sans', href: address }, 'diff'));
      }
      return made;
    };
  }
  async function code(body, data, view, heads) {
    const source = data.map(each => each.run.source || {});
    const patches = (await Promise.all(data.map(each => load('code', each.code && each.code.key)))).map(files);
    const touched = [...new Set(patches.flatMap(patch => [...patch.keys()]))].sort();
    const told = name => source.map(each => each[name] ?? null);
    const state = data.map((each, nth) => !source[nth].tree && !source[nth].commit ? null : !source[nth].dirty ? 'as committed' : each.code && each.code.files ? gitml.plural(each.code.files, 'changed file') : 'uncommitted changes');
    put(body, [
      row('commit', told('commit'), view, (value, nth) => commit(data, data[0], nth)(value)),
      row('branch', told('branch'), view),
      row('command', source.map(each => each.command ? each.command.join(' ') : null), view),
      row('working tree', state, view),
      ...touched.map(name => {
        const found = patches.map(patch => patch.get(name)), texts = found.map(file => file ? file.lines.join('\n') : '');
        return row(name, texts, view, (_, nth) => found[nth] ? count(found[nth]) : absent('as committed'));
      }),
    ], data.length > 1 ? 'The code does not differ.' : 'Nothing is known of the code.');
    const differing = touched.filter(name => !view.only || !alike(patches.map(patch => patch.has(name) ? patch.get(name).lines.join('\n') : '')));
    $('#patches').replaceChildren(...differing.map(name => element('details', { class: 'patch' }, element('summary', {}, element('code', {}, name), absent('uncommitted changes')), element('div', { class: 'abreast' }, ...data.map((each, nth) => patches[nth].has(name) ? element('div', {}, element('p', { class: 'inset small' }, heads(nth)), drawn(patches[nth].get(name))) : null)))));
  }
  return { code, environment, inputs, row };
})();

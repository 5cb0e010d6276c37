'use strict';
// The columns of data/runs.js as functions of a row's number.
gitml.runs = (function () {
  const LEVELS = '0123456789abcdefghijklmnopqrstuv';
  // What JSON has no number for is spelled out. NaN is no value, as in SQL, and only shown.
  const spelled = value => value !== null && typeof value === 'object' && !Array.isArray(value) && '$float' in value;
  const real = value => !spelled(value) ? value : value.$float === 'NaN' ? null : Number(value.$float);

  function list(stored) {
    if (Array.isArray(stored)) return stored;
    return stored.at.map(at => at < 0 ? null : stored.words[at]);
  }
  const stamp = ms => ms === null ? null : new Date(ms).toISOString();

  function open(data) {
    const facts = new Map(Object.entries(data.attributes).map(([name, stored]) => [name, list(stored)]));
    const kinds = new Map();
    for (const kind of ['params', 'tags']) {
      kinds.set(kind, new Map(Object.entries(data[kind]).map(([name, stored]) => [name, list(stored)])));
    }
    const metrics = new Map(Object.entries(data.metrics));
    const ids = facts.get('id');
    const keys = data.keys || ids.map(id => id.slice(0, 12));
    const numbers = new Map(keys.map((key, at) => [key, at]));
    const created = facts.get('created'), ended = facts.get('ended');

    function attribute(name) {
      if (name === 'duration') return at => ended[at] === null ? null : (ended[at] - created[at]) / 1000;
      if (name === 'age') return at => (Date.now() - created[at]) / 1000;
      if (name === 'deleted') return () => 0;
      const values = facts.get(name);
      if (name === 'created' || name === 'ended' || name === 'updated') return at => stamp(values[at]);
      return at => values[at];
    }
    function stored(key) {
      const dot = key.indexOf('.'), kind = key.slice(0, dot), name = key.slice(dot + 1);
      if (!kind.startsWith('metrics')) return kinds.has(kind) ? kinds.get(kind).get(name) : undefined;
      const found = metrics.get(name);
      return found && found[{ metrics: 'last', metrics_min: 'min', metrics_max: 'max' }[kind]];
    }
    // A column by its key, metrics.auc, params.lr, status …: a function of the row, or null.
    function column(key) {
      if (!key.includes('.')) return key === 'age' || key === 'duration' || key === 'deleted' || facts.has(key) ? attribute(key) : null;
      const values = stored(key);
      return values ? at => real(values[at]) : null;
    }
    const isNaN = (key, at) => { const values = key.includes('.') && stored(key); return Boolean(values) && spelled(values[at]) && values[at].$float === 'NaN'; };
    // Whether a number is a float even where it is whole, which JSON does not say.
    const floats = new Map(Object.entries(data.floats || {}).map(([name, rows]) => [name, rows === true ? rows : new Set(rows)]));
    function float(key) {
      const found = key.startsWith('params.') ? floats.get(key.slice(7)) : key.startsWith('metrics') || key === 'duration' || key === 'age';
      return found instanceof Set ? at => found.has(at) : () => Boolean(found);
    }
    // A key as expressions spell it: params."learning-rate".
    function full(key) {
      const dot = key.indexOf('.'), name = key.slice(dot + 1);
      return dot < 0 ? key : key.slice(0, dot + 1) + (/^[A-Za-z_]\w*(\.\w+)*$/.test(name) ? name : '"' + name.replace(/"/g, '""') + '"');
    }
    // Tags that people set; those with gitml's own name say what to register.
    const labels = [...kinds.get('tags').keys()].filter(name => !name.startsWith('gitml.register.'));
    const made = new Map();
    for (const each of data.made) made.set(each.run, [...(made.get(each.run) || []), each]);
    const told = at => (made.get(at) || []).map(each => each.said).join('; ') || null;
    const names = { metrics: [...metrics.keys()], params: [...kinds.get('params').keys()], tags: [...kinds.get('tags').keys()] };
    return {
      column, count: data.count, float, full, commits: new Map(Object.entries(data.commits)), curve: data.curve,
      goal: name => new Map(Object.entries(data.goals)).get(name) || 'max', ids, isNaN, keys, labels, leading: data.leading, made, told, names, numbers,
    };
  }
  function sparkPath(levels) {
    const gap = 84 / Math.max(levels.length - 1, 1);
    let path = '', pen = 'M';
    for (let at = 0; at < levels.length; at++) {
      if (levels[at] === '-') { pen = 'M'; continue; }
      path += pen + Math.round(2 + at * gap) + ' ' + Math.round(20 - LEVELS.indexOf(levels[at]) * 18 / 31);
      pen = 'L';
    }
    return path;
  }
  return { open, sparkPath };
})();

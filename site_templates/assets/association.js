'use strict';
// How closely params go together with a metric: gitml/query/association.py, over what a page shows.
// tests/query/association_cases.json holds both to the same numbers.
gitml.association = (function () {
  const LEAST = 20, CHI2_1 = 3.841458820694124, Z = 1.6448536269514722;
  const RANK = 'rank correlation', RATIO = 'correlation ratio';

  // Ranks are doubled and moved to a mean of 0: whole numbers, whose sums are exact.
  function ranks(values) {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    const found = new Map();
    let before = 0;
    for (const value of [...counts.keys()].sort((a, b) => a < b ? -1 : a > b ? 1 : 0)) {
      found.set(value, 2 * before + counts.get(value) - values.length);
      before += counts.get(value);
    }
    return values.map(value => found.get(value));
  }
  // The same text for values that are one: 1 and 1.0 are, 1 and true are not.
  function kind(value) {
    if (Array.isArray(value)) return '[' + value.map(kind).join(',') + ']';
    if (value !== null && typeof value === 'object') return '{' + Object.keys(value).sort().map(key => JSON.stringify(key) + ':' + kind(value[key])).join(',') + '}';
    return typeof value === 'string' ? JSON.stringify(value) : String(value === 0 ? 0 : value);
  }
  function exceeded(freedom) {
    if (freedom === 1) return CHI2_1;
    const part = 2 / (9 * freedom), base = 1 - part + Z * Math.sqrt(part);
    return freedom * base * base * base;
  }
  const none = value => value === null || value === undefined || Number.isNaN(value);
  const plain = value => typeof value === 'number' || typeof value === 'boolean';

  // values and metric are lists of equal length; the answer is an association, or why there is none.
  function one(name, values, metric) {
    const x = [], y = [];
    for (let at = 0; at < metric.length; at++) if (!none(values[at]) && !none(metric[at])) { x.push(values[at]); y.push(metric[at]); }
    const runs = x.length;
    if (runs < LEAST) return 'few';
    const heights = ranks(y), spread = heights.reduce((sum, h) => sum + h * h, 0);
    let value, method, freedom;
    if (x.every(plain)) {
      const places = ranks(x.map(Number)), across = places.reduce((sum, p) => sum + p * p, 0);
      if (!across || !spread) return across ? 'flat' : 'same';
      value = places.reduce((sum, p, at) => sum + p * heights[at], 0) / Math.sqrt(across * spread);
      method = RANK; freedom = 1;
    } else {
      const sums = new Map(), counts = new Map();
      x.forEach((v, at) => { const k = kind(v); sums.set(k, (sums.get(k) || 0) + heights[at]); counts.set(k, (counts.get(k) || 0) + 1); });
      if (sums.size === 1 || !spread) return sums.size === 1 ? 'same' : 'flat';
      let between = 0;
      for (const [k, total] of sums) between += total * total / counts.get(k);
      value = Math.sqrt(between / spread);
      method = RATIO; freedom = sums.size - 1;
    }
    const chance = Math.sqrt(exceeded(freedom) / (runs - 1));
    if (chance >= 1) return 'own';
    return { name, value: Math.max(-1, Math.min(1, value)), method, runs, chance };
  }
  // params is a list of [name, values]; those beyond chance come first, the strongest first.
  function all(params, metric) {
    const found = [], leftOut = [];
    for (const [name, values] of params) {
      const answer = one(name, values, metric);
      typeof answer === 'string' ? leftOut.push([name, answer]) : found.push(answer);
    }
    const within = a => Number(Math.abs(a.value) <= a.chance);
    found.sort((a, b) => within(a) - within(b) || Math.abs(b.value) - Math.abs(a.value));
    return { found, leftOut };
  }
  return { LEAST, RANK, RATIO, all, one };
})();

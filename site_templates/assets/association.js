'use strict';
// How closely params go together with a metric: gitml/query/association.py, over what a page shows.
// tests/query/association_cases.json holds both to the same numbers.
gitml.association = (function () {
  const LEAST = 20, GROUPS = 8, CHI2_1 = 3.841458820694124, Z = 1.6448536269514722;
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

  const squares = list => list.reduce((sum, each) => sum + each * each, 0);

  // How many kinds there are, and the squares that lie between them.
  function between(kinds, heights) {
    const sums = new Map(), counts = new Map();
    kinds.forEach((k, at) => { sums.set(k, (sums.get(k) || 0) + heights[at]); counts.set(k, (counts.get(k) || 0) + 1); });
    const terms = [...sums].map(([k, total]) => total * total / counts.get(k)).sort((a, b) => a - b);
    return [sums.size, terms.reduce((sum, term) => sum + term, 0)];
  }
  // The correlation ratio between groups of equal size, if it says more than the rank correlation.
  function bent(places, heights, spread, value) {
    const runs = places.length, [groups, squared] = between(places.map(p => Math.floor((p + runs) * GROUPS / (2 * runs))), heights), share = Math.min(1, squared / spread);
    return groups < 3 || (share - value * value) * (runs - 1) <= exceeded(groups - 2) ? null : Math.sqrt(share);
  }
  const byChance = a => a.bend === null && Math.abs(a.value) <= a.chance;

  // A metric, made ready for many params: the rows that have it, and their ranks.
  function ready(metric) {
    const rows = [], values = [];
    metric.forEach((value, at) => { if (!none(value)) { rows.push(at); values.push(value); } });
    const heights = ranks(values);
    return { rows, values, heights, spread: squares(heights) };
  }
  // Values are a list as long as the metric's; the answer is an association, or why there is none.
  function one(name, values, of) {
    let x = of.rows.map(at => values[at]), heights = of.heights, spread = of.spread;
    if (x.some(none)) {
      const there = [...x.keys()].filter(nth => !none(x[nth]));
      x = there.map(nth => x[nth]);
      heights = ranks(there.map(nth => of.values[nth]));
      spread = squares(heights);
    }
    const runs = x.length;
    if (runs < LEAST) return 'few';
    let value, method, freedom, bend = null;
    if (x.every(plain)) {
      const places = ranks(x.map(Number)), across = squares(places);
      if (!across || !spread) return across ? 'flat' : 'same';
      value = places.reduce((sum, p, at) => sum + p * heights[at], 0) / Math.sqrt(across * spread);
      method = RANK; freedom = 1;
      bend = bent(places, heights, spread, value);
    } else {
      const [groups, squared] = between(x.map(kind), heights);
      if (groups === 1 || !spread) return groups === 1 ? 'same' : 'flat';
      value = Math.sqrt(squared / spread);
      method = RATIO; freedom = groups - 1;
    }
    const chance = Math.sqrt(exceeded(freedom) / (runs - 1));
    if (chance >= 1) return 'own';
    return { name, value: Math.max(-1, Math.min(1, value)), method, runs, chance, bend };
  }
  // Answers as a list of [name, answer]: those beyond chance come first, the strongest first.
  function sorted(answers) {
    const within = a => Number(byChance(a)), strength = a => Math.max(Math.abs(a.value), a.bend || 0);
    const found = answers.map(([, answer]) => answer).filter(answer => typeof answer !== 'string');
    found.sort((a, b) => within(a) - within(b) || strength(b) - strength(a));
    return { found, leftOut: answers.filter(([, answer]) => typeof answer === 'string') };
  }
  // params is a list of [name, values].
  function all(params, metric) {
    const of = ready(metric);
    return sorted(params.map(([name, values]) => [name, one(name, values, of)]));
  }
  return { LEAST, RANK, RATIO, all, byChance, one, ready, sorted };
})();

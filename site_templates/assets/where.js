'use strict';
// The language of gitml ls --where, over the columns of data/runs.js: an SQL expression with the
// meaning that SQLite gives it. gitml.where(text, runs) returns a test of a row's number, or
// throws an Error that says what is wrong. tests/query/where_cases.json holds both to the same.
gitml.where = (function () {
  const ID = '[A-Za-z_\\x80-\\u{10ffff}][\\w$\\x80-\\u{10ffff}]*', QUOTED = '"(?:[^"]|"")*"|`(?:[^`]|``)*`|\\[[^\\]]*\\]';
  const TOKEN = new RegExp(
    '(?<space>\\s+|--[^\\n]*|/\\*[\\s\\S]*?\\*/)|(?<text>\'(?:[^\']|\'\')*\')' +
    `|(?<dotted>(?:${ID}|${QUOTED})(?:\\s*\\.\\s*(?:[\\w$\\x80-\\u{10ffff}]+|${QUOTED}))+)|(?<quoted>${QUOTED})` +
    `|(?<number>0[xX][0-9a-fA-F]+|(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?)|(?<name>${ID})` +
    '|(?<op>\\|\\||<<|>>|<=|>=|<>|!=|==|/(?!\\*)|[-+*%<>=&|~,().])', 'uy');
  const PART = new RegExp(`${QUOTED}|[^\\s.]+`, 'gu');
  const NAMESPACES = new Map([['metrics', 'metrics'], ['metrics_min', 'metrics'], ['metrics_max', 'metrics'], ['params', 'params'], ['tags', 'tags'], ['attributes', 'attributes'], ['runs', 'attributes']]);
  const SINGULAR = { metrics: 'metric', params: 'param', tags: 'tag', attributes: 'attribute' };
  const TEXTS = 'id name experiment status author parent note branch commit tree script command host python platform'.split(' ');
  const TIMES = ['created', 'ended', 'updated'], AMOUNTS = ['duration', 'age', 'dirty', 'deleted'];
  const ATTRIBUTES = new Set([...TEXTS, ...TIMES, ...AMOUNTS]);
  const words = text => new Set(text.split(' '));
  const ORDER = words('< <= > >='), COMPARE = words('< <= > >= = == != <>'), ARITHMETIC = words('+ - * / %');
  const NUMERIC = words('abs round ceil ceiling floor trunc sign sqrt exp ln log log10 log2 pow power mod min max sum avg total');
  const KEYWORDS = words('and or not in between like glob is case when then else end where'), COALESCING = words('coalesce ifnull nullif iif');
  const EXAMPLE = "For example: metrics.auc > 0.9 and params.kind = 'forest'";
  const refuse = (text, more) => Object.assign(new Error(text), more);
  const unquote = text => text[0] === '"' || text[0] === '`' ? text.slice(1, -1).split(text[0] + text[0]).join(text[0]) : text[0] === '[' ? text.slice(1, -1) : text;
  const quote = name => /^[A-Za-z_]\w*(\.\w+)*$/.test(name) ? name : '"' + name.replace(/"/g, '""') + '"';
  const full = (kind, name) => kind === 'attributes' ? quote(name) : kind + '.' + quote(name);

  function tokens(text) {
    const found = [], opened = [-1];
    for (let at = 0; at < text.length;) {
      TOKEN.lastIndex = at;
      const match = TOKEN.exec(text);
      if (!match) {
        const char = text[at];
        throw refuse("'\"`[".includes(char) ? `A ${char} is not closed.` : char === ';' ? 'An expression is one condition, without a ;.' : `${char} means nothing here. ${EXAMPLE}`);
      }
      at = TOKEN.lastIndex;
      const kind = Object.keys(match.groups).find(name => match.groups[name] !== undefined);
      if (kind === 'space') continue;
      if (match[0] === ')') { opened.pop(); if (!opened.length) throw refuse('A ) closes nothing.'); }
      found.push({ kind, text: match[0], word: match[0].toLowerCase(), inside: opened[opened.length - 1], parts: () => match[0].match(PART).map(unquote) });
      if (match[0] === '(') opened.push(found.length - 1);
    }
    if (opened.length > 1) throw refuse('A ( is not closed.');
    if (!found.length) throw refuse('The expression is empty.');
    return found;
  }

  // Whether a key is meant as a number or as text, told by what stands beside it.
  function face(found, at) {
    const word = n => found[n] ? found[n].word : '';
    const isNumber = token => {
      if (token.kind !== 'dotted' && token.kind !== 'name') return false;
      const [head, ...rest] = token.parts().map(part => part.toLowerCase()), kind = NAMESPACES.get(head);
      return kind === 'metrics' || AMOUNTS.includes(kind === 'attributes' && rest.length ? rest[0] : head);
    };
    let first = at, last = at;
    while (word(first - 1) === '(' && word(last + 1) === ')') {
      if (first > 1 && found[first - 2].kind === 'name' && !KEYWORDS.has(word(first - 2))) break;
      first--; last++;
    }
    const opener = found[found[first].inside - 1], called = opener && opener.kind === 'name' ? opener.word : '';
    const kindAt = (n, step) => {
      while ((step > 0 ? ['+', '-', '('] : [')']).includes(word(n))) n += step;
      const token = found[n];
      if (!token) return 'raw';
      if (token.kind === 'number' || NUMERIC.has(token.word) || ['true', 'false'].includes(token.word) || isNumber(token)) return 'number';
      return token.kind === 'text' ? 'text' : 'raw';
    };
    const beside = (n, step, operator) => {
      const kind = kindAt(n, step);
      return kind === 'raw' && ORDER.has(operator) && found[n] && found[n].kind === 'dotted' ? 'number' : kind;
    };
    const members = inside => {
      const starts = [inside + 1];
      for (let n = inside + 1; n < found.length && found[n].inside >= inside; n++) if (found[n].inside === inside && found[n].text === ',') starts.push(n + 1);
      return starts;
    };
    const before = word(first - 1);
    let after = word(last + 1), kinds = new Set();
    if (ARITHMETIC.has(after) || ARITHMETIC.has(before) || NUMERIC.has(called)) return 'number';
    if (COMPARE.has(after)) return beside(last + 2, 1, after);
    if (COMPARE.has(before)) return beside(first - 2, -1, before);
    if (after === 'not') { last++; after = word(last + 1); }
    if (COALESCING.has(called)) kinds = new Set(members(found[first].inside).map(n => kindAt(n, 1)).filter(kind => kind !== 'raw'));
    else if (after === 'between') kinds = new Set([kindAt(last + 2, 1)]);
    else if (after === 'in' && word(last + 2) === '(') kinds = new Set(members(last + 2).map(n => kindAt(n, 1)));
    return kinds.size === 1 ? [...kinds][0] : 'raw';
  }

  function distance(a, b) {
    let row = Array.from({ length: b.length + 1 }, (_, n) => n);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
      row = next;
    }
    return row[b.length];
  }
  function unknown(kind, name, runs) {
    const known = k => k === 'attributes' ? [...ATTRIBUTES] : runs.names[k], kinds = ['attributes', 'metrics', 'params', 'tags'].sort((a, b) => (b === kind) - (a === kind));
    let close = kinds.filter(k => known(k).includes(name)).map(k => full(k, name));
    const asked = name.toLowerCase(), near = n => n.split(/[^a-z0-9]+/).includes(asked) || distance(n, asked) <= Math.max(1, n.length * 0.35);
    if (!close.length) close = kinds.flatMap(k => known(k).filter(n => near(n.toLowerCase())).map(n => full(k, n)));
    if (!close.length && kind !== 'attributes') close = known(kind).slice(0, 8).map(n => full(kind, n));
    return refuse(`No ${SINGULAR[kind]} is called ${name}.` + (close.length ? ` Did you mean ${close.slice(0, 8).join(' or ')}?` : ` ${EXAMPLE}`), { unknown: SINGULAR[kind] });
  }

  // Values are as SQLite keeps them: integers are BigInt and floats Number, booleans integers, lists their JSON.
  const LIMIT = 2n ** 63n;
  const whole = value => value >= -LIMIT && value < LIMIT ? value : Number(value);
  const ascii = text => text.replace(/[^ -~]/g, c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
  const bit = value => value === null ? null : value ? 1n : 0n;
  function storable(value, float) {
    if (value === null || value === undefined || Number.isNaN(value)) return null;
    if (typeof value === 'number') return Number.isInteger(value) && !float ? whole(BigInt(value)) : value;
    return typeof value === 'boolean' ? bit(value) : typeof value === 'object' ? ascii(JSON.stringify(value)) : value;
  }
  function stored(runs, key) {
    const get = runs.column(key), float = runs.float(key);
    return at => storable(get(at), float(at));
  }
  function reading(text) { // a tag that reads as a number is one beside a number
    return typeof text === 'string' && /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) ? Number(text) : null;
  }
  function attribute(found, at, name, runs) {
    const meant = face(found, at);
    if (TIMES.includes(name) && meant === 'number') throw refuse(`${name} is a time and stands beside a number. Times are text in UTC: ${name} > '2026-11-01'`);
    if (AMOUNTS.includes(name) && meant === 'text') throw refuse(`${name} is a number and stands beside text. Leave out the quotes.`);
    return { get: stored(runs, name), text: TEXTS.includes(name) || TIMES.includes(name) };
  }
  function key(found, at, runs) {
    const [head, ...rest] = found[at].parts(), name = rest.join('.'), space = head.toLowerCase(), kind = NAMESPACES.get(space);
    if (!kind) throw refuse(`${found[at].text} is neither a metric nor a param, tag or attribute. ${EXAMPLE}`);
    if (kind === 'attributes') {
      if (!ATTRIBUTES.has(name.toLowerCase())) throw unknown(kind, name, runs);
      return attribute(found, at, name.toLowerCase(), runs);
    }
    if (!runs.names[kind].includes(name)) {
      if (!runs.names[kind].length) return { get: () => null };
      throw unknown(kind, name, runs);
    }
    const get = stored(runs, space + '.' + name), meant = face(found, at);
    if (kind === 'metrics') {
      if (meant === 'text') throw refuse(`${full(kind, name)} is a number and stands beside text. Leave out the quotes.`);
      return { get };
    }
    if (meant === 'number') return { get: kind === 'tags' ? row => reading(get(row)) : row => { const value = get(row); return typeof value === 'string' ? null : value; } };
    if (meant === 'text' && kind === 'params') return { get: row => { const value = get(row); return typeof value === 'string' ? value : null; } };
    return { get, text: kind === 'tags' };
  }

  function toNumber(value) {
    if (typeof value !== 'string') return value;
    const found = (/^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?/.exec(value) || ['0'])[0].trim();
    return /^[-+]?\d+$/.test(found) ? whole(BigInt(found.replace('+', ''))) : Number(found);
  }
  function toWhole(value) {
    const number = typeof value === 'string' ? whole(BigInt((/^\s*[-+]?\d+/.exec(value) || ['0'])[0].replace('+', ''))) : value;
    if (typeof number === 'bigint') return number;
    return number >= 2 ** 63 ? LIMIT - 1n : number < -(2 ** 63) ? -LIMIT : BigInt(Math.trunc(number));
  }
  const toFloat = value => Number(toNumber(value));
  const truth = value => value === null ? null : Boolean(toNumber(value));
  function asText(value) { // floats as SQLite prints them: 1.0, 0.1, 1.0e-05
    if (value === null || typeof value !== 'number') return value === null ? null : String(value);
    if (!Number.isFinite(value)) return value > 0 ? 'Inf' : '-Inf';
    const [digits, power] = value.toExponential(14).split('e'), short = digits.replace(/0+$/, '').replace(/\.$/, '.0');
    if (value !== 0 && (power < -4 || power > 14)) return short + 'e' + power[0] + power.slice(1).padStart(2, '0');
    const text = Number(value.toPrecision(15)).toFixed(Math.max(1, Math.min(100, short.length - 2 - Number(power) - (value < 0 ? 1 : 0))));
    return text.replace(/(\.\d+?)0+$/, '$1');
  }
  const rank = value => typeof value === 'string' ? 1 : 0;
  function order(a, b) { // numbers before texts, as SQLite has it
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    return a < b ? -1 : a > b ? 1 : 0;
  }
  function compare(left, right, row) {
    let a = left.get(row), b = right.get(row);
    if (a === null || b === null) return null;
    if (left.text && !right.text) b = asText(b);
    if (right.text && !left.text) a = asText(a);
    return order(a, b);
  }
  function pattern(text, glob, escape) {
    let made = '';
    for (let n = 0; n < text.length; n++) {
      const char = text[n], literal = c => c.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      if (!glob && escape && char === escape) made += literal(text[++n] || '');
      else if (char === (glob ? '*' : '%')) made += '[^]*';
      else if (char === (glob ? '?' : '_')) made += '[^]';
      else if (glob && char === '[' && text.indexOf(']', n + 2) > 0) { const end = text.indexOf(']', n + 2); made += '[' + text.slice(n + 1, end).replace(/\\/g, '\\\\') + ']'; n = end; }
      else made += literal(char);
    }
    return new RegExp('^' + made + '$', glob ? '' : 'i');
  }
  const vague = value => value === null || (typeof value === 'string' && !/^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/.test(value));
  const math = f => (...values) => values.some(vague) ? null : (x => Number.isNaN(x) ? null : x)(f(...values.map(toFloat)));
  const positive = f => (...values) => values.every(v => v > 0) ? f(...values) : NaN;
  const kept = f => { const real = math(f); return value => !vague(value) && typeof toNumber(value) === 'bigint' ? toNumber(value) : real(value); };
  const texts = f => (...values) => values.some(v => v === null) ? null : f(...values.map(asText));
  const FUNCTIONS = new Map(Object.entries({
    abs: value => { const number = typeof value === 'string' ? toFloat(value) : value; return number !== null && number < 0 ? -number : number; }, ceil: kept(Math.ceil), ceiling: kept(Math.ceil), floor: kept(Math.floor), trunc: kept(Math.trunc), sign: value => { const number = vague(value) ? null : toNumber(value); return number === null ? null : number > 0 ? 1n : number < 0 ? -1n : 0n; }, sqrt: math(Math.sqrt), exp: math(Math.exp), ln: math(positive(Math.log)), log10: math(positive(Math.log10)), log2: math(positive(Math.log2)), pow: math(Math.pow), power: math(Math.pow), mod: math((a, b) => a % b),
    log: math(positive((a, b) => b === undefined ? Math.log10(a) : Math.log(b) / Math.log(a))), round: math((x, digits) => { const by = 10 ** (digits || 0); return Math.sign(x) * Math.round(Math.abs(x) * by) / by; }),
    lower: texts(v => v.replace(/[A-Z]/g, c => c.toLowerCase())), upper: texts(v => v.replace(/[a-z]/g, c => c.toUpperCase())), length: texts(v => BigInt([...v].length)), trim: texts(v => v.replace(/^ +| +$/g, '')),
    instr: texts((a, b) => BigInt(a.indexOf(b) + 1)), replace: texts((a, b, c) => b ? a.split(b).join(c) : a),
    substr: (v, start, most) => { if (v === null || start === null || most === null) return null; const text = asText(v), from = toFloat(start), count = most === undefined ? undefined : toFloat(most); return from < 0 ? text.slice(from).slice(0, count) : text.slice(Math.max(from - 1, 0), count === undefined ? undefined : Math.max(from - 1, 0) + count); },
    coalesce: (...values) => values.find(v => v !== null) ?? null, ifnull: (a, b) => a ?? b, nullif: (a, b) => a !== null && b !== null && order(a, b) === 0 ? null : a, iif: (a, b, c) => truth(a) ? b : c ?? null,
    min: (...values) => values.includes(null) ? null : values.reduce((a, b) => order(b, a) < 0 ? b : a), max: (...values) => values.includes(null) ? null : values.reduce((a, b) => order(b, a) > 0 ? b : a),
    typeof: v => v === null ? 'null' : typeof v === 'string' ? 'text' : typeof v === 'bigint' ? 'integer' : 'real', date: (...values) => moment(values, 10), datetime: (...values) => moment(values, 19),
  }));
  function moment([text, ...changes], length) {
    let at = text === undefined || text === 'now' ? new Date() : new Date(String(text).replace(' ', 'T').replace(/(T[\d:.]+)$/, '$1Z'));
    for (const change of changes) {
      const match = /^([-+]?\d+(?:\.\d+)?) (second|minute|hour|day|month|year)s?$/.exec(String(change)), start = /^start of (day|month|year)$/.exec(String(change));
      if (match && match[2] === 'month') at.setUTCMonth(at.getUTCMonth() + Number(match[1]));
      else if (match && match[2] === 'year') at.setUTCFullYear(at.getUTCFullYear() + Number(match[1]));
      else if (match) at = new Date(at.getTime() + Number(match[1]) * { second: 1e3, minute: 6e4, hour: 36e5, day: 864e5 }[match[2]]);
      else if (start) at = new Date(Date.UTC(at.getUTCFullYear(), start[1] === 'year' ? 0 : at.getUTCMonth(), start[1] === 'day' ? at.getUTCDate() : 1));
      else return null;
    }
    return Number.isNaN(at.getTime()) ? null : at.toISOString().slice(0, length).replace('T', ' ');
  }

  function shifted(operator, x, y) {
    if (operator === '&' || operator === '|') return operator === '&' ? x & y : x | y;
    const by = operator === '<<' ? y : -y, most = by > 64n ? 64n : by < -64n ? -64n : by;
    return BigInt.asIntN(64, most < 0n ? x >> -most : x << most);
  }

  // Each level of precedence takes the one below it, as https://sqlite.org/lang_expr.html lists them.
  function parse(found, runs) {
    let at = 0;
    const word = (n = 0) => found[at + n] ? found[at + n].word : '', constant = value => ({ get: () => value });
    const expect = text => { if (word() !== text) throw refuse(found[at] ? `${found[at].text} stands where ${text} is expected.` : `The expression ends where ${text} is expected.`); at++; };
    const left = (next, operators, make) => () => {
      let node = next();
      while (operators.includes(word()) && found[at].kind === 'op') { const operator = found[at++].text; node = make(operator, node, next()); }
      return node;
    };
    function primary() {
      const token = found[at];
      if (!token) throw refuse(`The expression ends too early. ${EXAMPLE}`);
      at++;
      if (token.kind === 'number') return constant(/^(0x[\da-f]+|\d+)$/i.test(token.text) ? whole(BigInt(token.text)) : Number(token.text));
      if (token.kind === 'text') return constant(token.text.slice(1, -1).replace(/''/g, "'"));
      if (token.text === '(') {
        if (word() === 'select') throw refuse('A subquery works in gitml ls --where, not in a page.');
        const node = expression();
        expect(')');
        return node;
      }
      if (token.kind === 'dotted') return key(found, at - 1, runs);
      if (token.kind === 'quoted' || token.kind === 'name') {
        const name = token.parts()[0].toLowerCase(), called = token.kind === 'name' && word() === '(';
        if (ATTRIBUTES.has(name) && !called) return attribute(found, at - 1, name, runs);
        if (token.kind === 'quoted') throw refuse(`${token.text} is no attribute of runs. Text takes single quotes, 'forest', and names double ones, metrics."val/loss"`);
        if (name === 'case') return choice();
        if (name === 'exists') throw refuse('A subquery works in gitml ls --where, not in a page.');
        if (called) return call(name);
        if (['null', 'true', 'false'].includes(name)) return constant(name === 'null' ? null : bit(name === 'true'));
        throw unknown('attributes', token.text, runs);
      }
      throw refuse(`${token.text} stands where a value is expected.`);
    }
    function choice() {
      const of = word() === 'when' ? null : expression(), cases = [];
      while (word() === 'when') { at++; const when = expression(); expect('then'); cases.push([of ? { get: row => bit(compare(of, when, row) === 0) } : when, expression()]); }
      const other = word() === 'else' ? (at++, expression()) : constant(null);
      expect('end');
      return { get: row => (cases.find(([when]) => truth(when.get(row))) || [null, other])[1].get(row) };
    }
    function list() {
      const nodes = [];
      expect('(');
      if (word() === 'select') throw refuse('A subquery works in gitml ls --where, not in a page.');
      while (word() !== ')') { nodes.push(expression()); if (word() !== ',') break; at++; }
      expect(')');
      return nodes;
    }
    function call(name) {
      const f = FUNCTIONS.get(name);
      if (!f) throw refuse(`The function ${name} works in gitml ls --where at most, not in a page.`);
      const nodes = list();
      return { get: row => f(...nodes.map(node => node.get(row))) };
    }
    function unary() {
      if (['-', '+', '~'].includes(word())) {
        const sign = found[at++].text, node = unary();
        return { get: row => { const value = node.get(row); return sign === '+' || value === null ? value : sign === '-' ? -toNumber(value) : ~toWhole(value); } };
      }
      return primary();
    }
    const amounts = (operator, a, b) => ({
      get: row => {
        let x = toNumber(a.get(row)), y = toNumber(b.get(row));
        if (x === null || y === null) return null;
        const exact = typeof x === 'bigint' && typeof y === 'bigint';
        if (operator === '%') { x = toWhole(a.get(row)); y = toWhole(b.get(row)); } else if (!exact) { x = Number(x); y = Number(y); }
        if ((operator === '/' || operator === '%') && !y) return null;
        const made = operator === '+' ? x + y : operator === '-' ? x - y : operator === '*' ? x * y : operator === '%' ? x % y : x / y;
        return exact ? whole(made) : Number.isNaN(Number(made)) ? null : Number(made);
      },
    });
    const joined = left(unary, ['||'], (_, a, b) => ({ get: row => { const x = a.get(row), y = b.get(row); return x === null || y === null ? null : asText(x) + asText(y); } }));
    const products = left(joined, ['*', '/', '%'], amounts), sums = left(products, ['+', '-'], amounts);
    const bits = left(sums, ['&', '|', '<<', '>>'], (operator, a, b) => ({ get: row => { const x = a.get(row), y = b.get(row); return x === null || y === null ? null : shifted(operator, toWhole(x), toWhole(y)); } }));
    const TESTS = { '<': n => n < 0, '<=': n => n <= 0, '>': n => n > 0, '>=': n => n >= 0 };
    const ordering = left(bits, ['<', '<=', '>', '>='], (operator, a, b) => ({ get: row => { const n = compare(a, b, row); return n === null ? null : bit(TESTS[operator](n)); } }));
    function equality() {
      let node = ordering();
      for (;;) {
        const a = node, not = word() === 'not' && ['in', 'like', 'glob', 'between', 'null'].includes(word(1)), is = not ? word(1) : word();
        const negated = get => ({ get: row => { const value = get(row); return value === null ? null : bit(not ? !value : value); } });
        if (['=', '==', '!=', '<>'].includes(is)) {
          const same = is === '=' || is === '==';
          at++;
          const b = ordering();
          node = { get: row => { const n = compare(a, b, row); return n === null ? null : bit((n === 0) === same); } };
        } else if (is === 'is') {
          at++;
          const other = word() === 'not';
          if (other) at++;
          if (word() === 'distinct') at += 2;
          const b = ordering();
          node = { get: row => { const x = a.get(row), y = b.get(row); return bit((x === null || y === null ? x === y : compare(a, b, row) === 0) !== other); } };
        } else if (is === 'isnull' || is === 'notnull' || (not && is === 'null')) {
          at += not ? 2 : 1;
          node = { get: row => bit((a.get(row) === null) === (is === 'isnull')) };
        } else if (is === 'in') {
          at += not ? 2 : 1;
          const members = list();
          node = negated(row => { if (a.get(row) === null) return null; const found = members.map(b => compare(a, b, row)); return found.includes(0) || (found.includes(null) ? null : false); });
        } else if (is === 'like' || is === 'glob') {
          at += not ? 2 : 1;
          const b = ordering(), escape = word() === 'escape' ? (at++, ordering()) : null;
          node = negated(row => { const x = a.get(row), y = b.get(row); return x === null || y === null ? null : pattern(asText(y), is === 'glob', escape && asText(escape.get(row))).test(asText(x)); });
        } else if (is === 'between') {
          at += not ? 2 : 1;
          const low = ordering();
          expect('and');
          const high = ordering();
          node = negated(row => { const x = compare(a, low, row), y = compare(a, high, row); return x === null || y === null ? ((x !== null && x < 0) || (y !== null && y > 0) ? false : null) : x >= 0 && y <= 0; });
        } else return node;
      }
    }
    function negation() {
      if (word() !== 'not') return equality();
      at++;
      const node = negation();
      return { get: row => { const value = truth(node.get(row)); return value === null ? null : bit(!value); } };
    }
    function both() {
      let node = negation();
      while (word() === 'and') { at++; const a = node, b = negation(); node = { get: row => { const x = truth(a.get(row)), y = truth(b.get(row)); return x === false || y === false ? 0n : bit(x === null || y === null ? null : true); } }; }
      return node;
    }
    function expression() {
      let node = both();
      while (word() === 'or') { at++; const a = node, b = both(); node = { get: row => { const x = truth(a.get(row)), y = truth(b.get(row)); return x || y ? 1n : bit(x === null || y === null ? null : false); } }; }
      return node;
    }
    const node = expression();
    if (at < found.length) throw refuse(`${found[at].text} stands where the expression should end. ${EXAMPLE}`);
    return node;
  }
  return function where(text, runs) {
    const node = parse(tokens(text), runs);
    return row => truth(node.get(row)) === true;
  };
})();

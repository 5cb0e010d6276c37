'use strict';
// What every page uses: data that scripts hand over, words for numbers, the theme, the keys.
const gitml = (function () {
  const html = document.documentElement;
  const root = html.dataset.root || '';
  const $ = s => document.querySelector(s), $$ = s => [...document.querySelectorAll(s)];
  const taken = new Map(), waiting = new Map();

  // Data comes as scripts, because a page on a disk may load nothing else. Keys that somebody
  // recorded are only ever put into a Map or read with Object.entries.
  function take(name, text) {
    taken.set(name, JSON.parse(text));
    (waiting.get(name) || []).forEach(done => done(taken.get(name)));
    waiting.delete(name);
  }
  function load(name) {
    if (taken.has(name)) return Promise.resolve(taken.get(name));
    if ('portable' in html.dataset) return Promise.reject(new Error('This page stands alone'));
    return new Promise((done, failed) => {
      const first = !waiting.has(name);
      waiting.set(name, [...(waiting.get(name) || []), done]);
      if (first) script(root + 'data/' + name + '.js').catch(failed);
    });
  }
  function script(src) {
    return new Promise((done, failed) => {
      const made = element('script', { src });
      made.addEventListener('load', done);
      made.addEventListener('error', () => failed(new Error('There is no ' + src)));
      document.head.append(made);
    });
  }

  // Numbers with six significant digits, as gitml writes them.
  function number(value) {
    if (typeof value !== 'number' || Number.isNaN(value)) return 'nan';
    if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
    if (Number.isInteger(value) && Math.abs(value) < 1e15 && Math.abs(value) < 1e6) return String(value);
    const size = Math.abs(value);
    const exponent = Number(value.toExponential(5).split('e')[1]);
    if ((size && size < 1e-3) || exponent >= 6 || exponent < -4) {
      const [mantissa, e] = value.toExponential(5).split('e');
      return (mantissa.includes('.') ? mantissa.replace(/0+$/, '').replace(/\.$/, '') : mantissa) + 'e' + Number(e);
    }
    const text = value.toPrecision(6);
    return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
  }
  function shown(value) {
    if (value === null || value === undefined) return '–';
    if (typeof value === 'number') return Number.isInteger(value) ? String(value) : number(value);
    if (typeof value === 'boolean') return String(value);
    const text = typeof value === 'string' ? value : '$float' in value ? value.$float : JSON.stringify(value);
    return text.length <= 300 ? text : text.slice(0, 299) + '…';
  }
  // How long something took, in words as gitml's own.
  function duration(seconds) {
    const whole = Math.floor(seconds), parts = (unit, length, lower, least) => Math.floor(whole / length) + ' ' + unit + ' ' + Math.floor(whole % length / least) + ' ' + lower;
    return seconds < 60 ? Number(seconds.toPrecision(3)) + ' s' : seconds < 3600 ? parts('min', 60, 's', 1) : seconds < 86400 ? parts('h', 3600, 'min', 60) : parts('d', 86400, 'h', 3600);
  }
  const plural = (n, one, many) => n.toLocaleString('en-US') + ' ' + (n === 1 ? one : many || one + 's');

  // How long ago: said to people only, the recorded time stays in the title.
  const UNITS = [['y', 31536000, 2], ['mo', 2592000, 3], ['d', 86400, 1], ['h', 3600, 1], ['min', 60, 1]];
  function ago(ms) {
    const seconds = Math.max(0, (Date.now() - ms) / 1000);
    for (const [unit, length, least] of UNITS) if (seconds >= length * least) return Math.floor(seconds / length) + ' ' + unit + ' ago';
    return Math.floor(seconds) + ' s ago';
  }
  function ages(within) {
    for (const time of within.querySelectorAll('time[data-ago]')) {
      if (!time.title) time.title = time.textContent;
      time.textContent = ago(Date.parse(time.dateTime));
    }
  }

  // View state lives in the hash; what is as usual is left out, what is unknown is ignored.
  function readHash() {
    return new Map(new URLSearchParams(location.hash.slice(1)));
  }
  function writeHash(pairs, push) {
    const kept = new URLSearchParams();
    for (const [key, value] of pairs) if (value !== '' && value !== null && value !== undefined) kept.set(key, value);
    const text = kept.toString();
    if (text === location.hash.slice(1)) return;
    history[push ? 'pushState' : 'replaceState'](null, '', text ? '#' + text : location.pathname + location.search);
  }

  const COLORS = 6;
  // The same run has the same colour everywhere; where two would share one, the later moves on.
  function colors(keys) {
    const given = new Map();
    for (const key of [...keys].sort()) {
      let at = parseInt(key.slice(0, 6), 16) % COLORS;
      for (let n = 0; n < COLORS && [...given.values()].includes(at); n++) at = (at + 1) % COLORS;
      given.set(key, at);
    }
    return new Map([...given].map(([key, at]) => [key, '--c' + (at + 1)]));
  }
  const css = name => getComputedStyle(html).getPropertyValue(name).trim();
  const dark = () => html.dataset.theme ? html.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const painters = [];
  const repaint = () => painters.forEach(paint => paint());
  function toggle() {
    html.dataset.theme = dark() ? 'light' : 'dark';
    try { localStorage.setItem('gitml-theme', html.dataset.theme); } catch (e) { /* may be forbidden */ }
    repaint();
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) made.setAttribute(name, '');
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.filter(child => child !== null && child !== undefined));
    return made;
  }
  function drawing(tag, attributes, ...children) {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  function download(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = element('a', { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  const keys = new Map([['t', ['light or dark', toggle]], ['?', ['these keys', help]]]);
  function help() {
    let dialog = $('#help');
    if (!dialog) {
      const list = element('dl', { class: 'kv keys' });
      for (const [key, [what]] of [...keys].slice(2).concat([...keys].slice(0, 2))) list.append(element('dt', {}, element('kbd', {}, key)), element('dd', {}, what));
      const close = element('button', { class: 'btn', type: 'button' }, 'Close');
      dialog = element('dialog', { id: 'help', 'aria-labelledby': 'help-head' }, element('h2', { id: 'help-head' }, 'Keys'), list, close);
      close.addEventListener('click', () => dialog.close());
      document.body.append(dialog);
    }
    dialog.showModal();
  }
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape' && document.activeElement && document.activeElement.blur) document.activeElement.blur();
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName) && document.activeElement.type !== 'checkbox') return;
    const found = keys.get(event.key);
    if (found) { event.preventDefault(); found[1](); }
  });
  const theme = $('#theme');
  if (theme) theme.addEventListener('click', toggle);
  ages(document);
  // Paper does not grow older with the day: it has the recorded times.
  let aged = [];
  addEventListener('beforeprint', () => { aged = $$('time[title]').map(time => [time, time.textContent]); for (const [time] of aged) time.textContent = time.title; });
  addEventListener('afterprint', () => { for (const [time, text] of aged) time.textContent = text; });
  const tab = $('.tabs [aria-current]');
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - 60;

  return { $, $$, ago, ages, colors, css, dark, download, drawing, duration, element, keys, load, number, painters, plural, readHash, root, script, shown, take, taken, writeHash };
})();

// Opens every page of a site in Chromium and says what is wrong with it:
//   node browse.cjs MODULES CHROMIUM FOLDER file|http|ADDRESS < {pages, looks: [[width, theme]], unfold, script}
// One JSON answer: console errors and violations, requests that leave the site, what axe finds,
// sideways scroll, and how much is drawn. A page is looked at when it is at rest, however long
// that takes; scripts have atRest() for after what they do, and goBack().
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const [, , modules, chromium, folder, how] = process.argv;
const { chromium: browser } = require(path.join(modules, 'playwright-core'));
const axe = fs.readFileSync(path.join(modules, 'axe-core', 'axe.min.js'), 'utf8');
const PATIENCE = 240000; // milliseconds: a busy machine may take long, a page that hangs for ever
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png', '.atom': 'application/atom+xml', '.csv': 'text/csv' };

// In the page: at rest is when no script is still to come and nothing has moved for a while.
function inPage() {
  const coming = new Set();
  const watch = new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => {
    if (node.localName === 'script' && node.src) coming.add(node);
  })));
  watch.observe(document, { childList: true, subtree: true });
  for (const end of ['load', 'error']) document.addEventListener(end, event => coming.delete(event.target), true);
  const frame = () => new Promise(requestAnimationFrame);
  window.atRest = async () => {
    for (let before, still = 0; still < 3;) {
      await frame();
      await frame();
      const now = document.documentElement.outerHTML;
      still = document.readyState === 'complete' && !coming.size && now === before ? still + 1 : 0;
      before = now;
      await new Promise(done => setTimeout(done, 50));
    }
  };
  window.goBack = async () => {
    const moved = new Promise(done => addEventListener('popstate', done, { once: true }));
    history.back();
    await moved;
    await window.atRest();
  };
}

function serve() {
  const server = http.createServer((request, response) => {
    const file = path.join(folder, decodeURIComponent(new URL(request.url, 'http://x').pathname));
    fs.readFile(file, (error, data) => {
      response.writeHead(error ? 404 : 200, { 'content-type': TYPES[path.extname(file)] || 'application/octet-stream' });
      response.end(error ? 'not there' : data);
    });
  });
  return new Promise(done => server.listen(0, '127.0.0.1', () => done(server)));
}

(async () => {
  const { pages, looks, unfold, script } = JSON.parse(fs.readFileSync(0, 'utf8'));
  const server = how === 'http' ? await serve() : null;
  const base = /^http:/.test(how) ? how : server ? `http://127.0.0.1:${server.address().port}/` : `file://${path.resolve(folder)}/`;
  const opened = await browser.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu'], timeout: PATIENCE });
  const wrong = [];
  const answers = [];
  const context = await opened.newContext({ viewport: { width: looks[0][0], height: 900 }, colorScheme: looks[0][1], reducedMotion: 'reduce' });
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript(inPage);
  for (const name of pages) {
    const page = await context.newPage();
    let look = '';
    const say = what => wrong.push(`${name}${look}: ${what}`);
    page.on('console', message => { if (['error', 'warning'].includes(message.type())) say(`console: ${message.text()}`); });
    page.on('pageerror', error => say(`error: ${error.message}`));
    page.on('request', request => { if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(base)) say(`asks ${request.url()}`); });
    await page.goto(base + name, { waitUntil: 'load' });
    await page.evaluate('atRest()');
    await page.evaluate(axe);
    if (unfold) await page.evaluate(() => document.querySelectorAll('main details:not(.menu)').forEach(each => { each.open = true; }));
    for (const [width, theme] of looks) {
      look = ` at ${width}, ${theme}`;
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: theme });
      await page.evaluate('atRest()');
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) say(`${wide} px too wide`);
      const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'], preload: false }));
      for (const each of found.violations) say(`axe ${each.id}: ${each.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + ' ' + (node.any[0] ? node.any[0].message : '')).join(' | ')}`);
    }
    if (script) answers.push(await page.evaluate(script));
    await page.close();
  }
  await opened.close();
  if (server) server.close();
  process.stdout.write(JSON.stringify({ wrong, answers }));
})().catch(error => { console.error(error); process.exit(1); });

// How long a page takes in a new browser until a text is in it:
//   node first_row.cjs MODULES CHROMIUM ADDRESS TEXT ROUNDS
// A JSON list of milliseconds, each with an empty cache.
'use strict';
const path = require('path');
const [, , modules, chromium, address, text, rounds] = process.argv;
const { chromium: browser } = require(path.join(modules, 'playwright-core'));

(async () => {
  const opened = await browser.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu'] });
  const took = [];
  for (let round = 0; round < Number(rounds); round += 1) {
    const context = await opened.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const begun = process.hrtime.bigint();
    await page.goto(address, { waitUntil: 'commit' });
    await page.getByText(text, { exact: true }).first().waitFor({ state: 'visible', timeout: 120_000 });
    took.push(Number(process.hrtime.bigint() - begun) / 1e6);
    await context.close();
  }
  await opened.close();
  process.stdout.write(JSON.stringify(took));
})().catch(error => { console.error(error); process.exit(1); });

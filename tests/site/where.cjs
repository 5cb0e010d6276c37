// Evaluates expressions with the page's own scripts: node where.cjs ASSETS < {runs, cases}.
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const [, , assets] = process.argv;
const read = name => fs.readFileSync(path.join(assets, name), 'utf8');
const { runs, now, cases } = JSON.parse(fs.readFileSync(0, 'utf8'));
class Clock extends Date {
  constructor(...given) { super(...(given.length ? given : [now])); }
  static now() { return now; }
}
const scope = vm.createContext({ Date: Clock });
vm.runInContext('const gitml = {};\n' + read('runs.js') + read('where.js') + 'globalThis.gitml = gitml;', scope);
const table = scope.gitml.runs.open(runs);
const answers = cases.map(where => {
  try {
    const test = scope.gitml.where(where, table);
    const names = table.column('name');
    return { finds: [...Array(table.count).keys()].filter(test).map(names).sort() };
  } catch (error) {
    return { error: error.message, unknown: error.unknown || null };
  }
});
process.stdout.write(JSON.stringify(answers));

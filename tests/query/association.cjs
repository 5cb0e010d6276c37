// Evaluates the cases with the page's own script: node association.cjs SCRIPT < cases.
'use strict';
const fs = require('fs');
const vm = require('vm');
const cases = JSON.parse(fs.readFileSync(0, 'utf8'));
const scope = vm.createContext({});
vm.runInContext('const gitml = {};\n' + fs.readFileSync(process.argv[2], 'utf8') + 'globalThis.gitml = gitml;', scope);
const real = value => value !== null && typeof value === 'object' ? Number(value.$float) : value;
process.stdout.write(JSON.stringify(cases.map(({ params, metric }) => scope.gitml.association.all(Object.entries(params), metric.map(real)))));

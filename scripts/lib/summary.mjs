// Adds up vitest's JSON reports: why tests were skipped is in their names; the last line is the sum. A file that
// could not be loaded, or a check that failed before the tests, counts as one failure.
import { readFileSync } from 'node:fs';

const [, , checksFailed, ...files] = process.argv;
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const suites = reports.flatMap(({ testResults }) => testResults);
const tests = suites.flatMap(({ assertionResults }) => assertionResults);
const count = (...states) => tests.filter(({ status }) => states.includes(status)).length;

const passed = count('passed');
const skipped = count('skipped', 'pending', 'todo', 'disabled');
// A suite can fail outside of its tests: on import, or in a hook.
const broken = suites.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
).length;
let failed = count('failed') + broken;
if (failed === 0 && checksFailed !== '0') failed = 1;

for (const { fullName, status } of tests)
  if (status !== 'passed' && status !== 'failed') console.log(`skipped: ${fullName}`);
for (const { fullName, status } of tests) if (status === 'failed') console.log(`failed: ${fullName}`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

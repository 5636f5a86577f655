// A vitest reporter: one JSON line per test (and per file that could not be loaded) to the file that NETCHECK_OUTCOMES
// names. Vitest's own JSON reporter leaves out why a test was skipped.
import { appendFileSync } from 'node:fs';

/** Loaded by vitest as `--reporter=./test/outcome-reporter.mjs`; vitest takes the default export of such a file. */
class OutcomeReporter {
  #write(outcome) {
    const file = process.env.NETCHECK_OUTCOMES;
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(outcome)}\n`);
  }
  onTestCaseResult(test) {
    const result = test.result();
    const reason = result.note ?? /\(skipped: (.*?)\)(?= > |$)/.exec(test.fullName)?.[1];
    this.#write({
      name: `${test.module.relativeModuleId} > ${test.fullName}`,
      state: result.state,
      ...(result.state === 'skipped' ? { reason: reason ?? 'no reason given' } : {}),
    });
  }
  // A file that cannot be loaded, or a hook that fails, has tests that never get a result.
  onTestModuleEnd(module) {
    if (module.errors().length > 0) {
      this.#write({ name: `${module.relativeModuleId} (could not be loaded)`, state: 'failed' });
    }
  }
  onTestSuiteResult(suite) {
    if (suite.errors().length > 0) {
      this.#write({ name: `${suite.module.relativeModuleId} > ${suite.fullName} (hook)`, state: 'failed' });
    }
  }
  onTestRunEnd(_modules, unhandledErrors) {
    for (const error of unhandledErrors) this.#write({ name: `unhandled: ${error.message}`, state: 'failed' });
  }
}
// oxlint-disable-next-line import/no-default-export
export default OutcomeReporter;

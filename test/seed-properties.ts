import * as fc from 'fast-check';

// A failing test must fail again on the next machine; other seeds are what `npm run test:fuzz` tries.
fc.configureGlobal({ seed: Number(process.env['NETCHECK_SEED'] ?? 20_261_122) });

import { defineConfig } from 'vitest/config';

// Real parts are shared (two cores, one kernel): everything but the unit tests runs one file after the other.
const serial = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000, retry: 0 };

export default defineConfig({
  test: {
    reporters: process.env['CI'] ? ['default'] : ['default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Property tests take seconds, and a busy host takes several times as long.
          testTimeout: 60_000,
          // Vitest leaves one processor free; of two that is half.
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'host', include: ['test/host/**/*.test.ts'], ...serial, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { name: 'peers', include: ['test/peers/**/*.test.ts'], ...serial, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          ...serial,
          testTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});

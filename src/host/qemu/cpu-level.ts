import { readFileSync } from 'node:fs';

/** x86-64 psABI, "Micro-Architecture Levels", by the names of /proc/cpuinfo; each level needs the ones before. */
const LEVELS = [
  ['x86-64-v2', ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3']],
  ['x86-64-v3', ['abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe']],
] as const;

export type CpuLevel = (typeof LEVELS)[number][0];

/** Whether this host's processor, which a guest under KVM sees, reaches a level. Text as in /proc/cpuinfo. */
export function hostReaches(level: CpuLevel, cpuinfo = readFileSync('/proc/cpuinfo', 'utf8')): boolean {
  const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(' '));
  const upTo = LEVELS.findIndex(([name]) => name === level);
  return LEVELS.slice(0, upTo + 1).every(([, needed]) => needed.every((flag) => flags.has(flag)));
}

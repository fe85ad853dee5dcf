import { expect, test } from 'vitest';
import { NAME_FORWARDER, PASSERS, passerLine, wantedPasser } from '../../../../src/host/ground/passers.ts';

const passage = { pid: 42, forwardsNames: false };

test.each(PASSERS)('%s passes on that network alone', (passer) => {
  const line = passerLine(passer, passage);
  expect(line).toContain(passer);
  expect(line).toContain('/proc/42/ns/net');
});

test('pasta opens nothing in either direction, and stands for no address of the host', () => {
  const line = passerLine('pasta', passage);
  for (const option of ['--tcp-ports', '--udp-ports', '--tcp-ns', '--udp-ns'])
    expect(line[line.indexOf(option) + 1]).toBe('none');
  expect(line).toContain('--no-map-gw');
});

test('pasta forwards names only where it has to', () => {
  expect(passerLine('pasta', passage)).not.toContain('--dns-forward');
  const line = passerLine('pasta', { ...passage, forwardsNames: true });
  expect(line.slice(-2)).toEqual(['--dns-forward', NAME_FORWARDER]);
});

test('slirp4netns is confined, and stands for no address of the host', () => {
  const line = passerLine('slirp4netns', passage);
  for (const option of ['--disable-host-loopback', '--enable-sandbox', '--enable-seccomp'])
    expect(line).toContain(option);
});

test('a passer that is asked for must be known', () => {
  expect(PASSERS.map((passer) => wantedPasser(passer))).toEqual(PASSERS);
  expect(wantedPasser('')).toBeUndefined();
  expect(() => wantedPasser('passt')).toThrow(
    expect.objectContaining({
      code: 'InvalidSetting',
      hint: 'BONAMI_UPLINK=slirp4netns or BONAMI_UPLINK=pasta',
    }),
  );
});

import { isIP } from 'node:net';
import { UsageError } from '../core/errors.ts';
import type { PortRequest } from '../ec2/instances/forward-ports.ts';

/** Who is meant when no address is given: this host's own programs. */
const LOOPBACK = '127.0.0.1';
/** `80`, `8080:80`, `:80`, `ADDRESS:8080:80`, `[ADDRESS]:8080:80`. */
const FORM = /^(?:(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d*):)?(\d+)$/;

/** `[[ADDRESS:]PORT:]PORT` as a port of this host and a port of an instance; without the former a free one is chosen. */
export function parsePort(word: string): PortRequest {
  const [, bracketed, plain, own, target] = FORM.exec(word) ?? [];
  const address = bracketed ?? plain ?? LOOPBACK;
  const request = {
    listen: { address: address === 'localhost' ? LOOPBACK : address, port: portOf(own ?? target) },
    target: portOf(target),
  };
  if (
    isIP(request.listen.address) === 0 ||
    !(request.listen.port <= 65_535) ||
    !(request.target >= 1 && request.target <= 65_535)
  )
    throw new UsageError(`'${word}' does not say which port goes where`, {
      hint: '8080:80   :80 for a free port   0.0.0.0:8080:80 for other hosts too',
    });
  return request;
}

/** None is 0: any. */
function portOf(digits: string | undefined): number {
  return digits === undefined ? Number.NaN : Number(digits);
}

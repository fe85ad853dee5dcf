/** What the forward hook sees of a packet. */
export interface Packet {
  readonly from: string;
  readonly to: string;
  readonly mac: string;
  readonly source: string;
  readonly destination: string;
  readonly nextHop: string;
  readonly protocol: number;
  readonly port?: number;
  readonly type?: number;
  readonly code?: number;
  readonly state: 'new' | 'established' | 'related' | 'invalid';
}

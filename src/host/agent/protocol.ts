// What is said on the agent's socket: one JSON object a line, a request and its answer in turn.

export type AgentRequest =
  | { readonly do: 'hello' }
  /** Answer the metadata requests of this network's machines; answered when the service listens. */
  | { readonly do: 'serve'; readonly vpcId: string }
  /** Let go of the network's namespace. */
  | { readonly do: 'release'; readonly vpcId: string }
  | { readonly do: 'stop' };

export type AgentAnswer =
  | {
      readonly ok: true;
      readonly build?: string;
      readonly pid?: number;
      readonly serving?: readonly string[];
    }
  | { readonly ok: false; readonly code: string; readonly message: string };

// One tree for listings and leaves: a name that is listed cannot be missing. cloud-init gives up the whole of its
// metadata when one listed leaf answers 404 (cloudinit/sources/helpers/ec2.py).
import type { InstanceMetadata, InterfaceMetadata } from './instance-metadata.ts';

/** A leaf is its text; bytes are user data; a branch lists its names in order. Absent things are undefined. */
export type Node = string | Buffer | Branch;
export interface Branch {
  readonly [name: string]: Node | undefined;
}

/** What signs the identity document; each signature is made when it is asked for. */
export interface IdentitySignatures {
  readonly document: string;
  readonly signature: string;
  readonly pkcs7: string;
  readonly rsa2048: string;
}

/** Everything below a version, as the AWS user guide lists it ("Instance metadata categories"). */
export function metadataTree(of: InstanceMetadata, identity: IdentitySignatures): Branch {
  return {
    dynamic: {
      fws: { 'instance-monitoring': 'disabled' },
      'instance-identity': lazily(identity),
    },
    'meta-data': metaData(of),
    'user-data': of.userData,
  };
}

/** Signing costs milliseconds: keep the getters instead of calling them all. */
function lazily(identity: IdentitySignatures): Branch {
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(identity)) as Branch;
}

function metaData(of: InstanceMetadata): Branch {
  const primary = of.interfaces[0];
  return {
    'ami-id': of.imageId,
    'ami-launch-index': String(of.launchIndex),
    'ami-manifest-path': '(unknown)',
    'block-device-mapping': {
      ami: of.rootDeviceName,
      ...Object.fromEntries(
        of.otherDevices.map((device, index) => [`ebs${index + 1}`, device.replace('/dev/', '')]),
      ),
      ...Object.fromEntries(
        of.instanceStore.map(({ virtualName, deviceName }) => [virtualName, deviceName.replace('/dev/', '')]),
      ),
      root: of.rootDeviceName,
    },
    events: { maintenance: { history: '[]', scheduled: '[]' } },
    hostname: of.hostname,
    'instance-action': 'none',
    'instance-id': of.instanceId,
    'instance-life-cycle': 'on-demand',
    'instance-type': of.instanceType,
    ipv6: primary?.ipv6Addresses[0],
    'local-hostname': of.hostname,
    'local-ipv4': primary?.addresses[0],
    mac: primary?.mac,
    metrics: { vhostmd: '<?xml version="1.0" encoding="UTF-8"?>' },
    network: {
      interfaces: {
        macs: Object.fromEntries(of.interfaces.map((each) => [each.mac, networkInterface(of, each)])),
      },
    },
    placement: {
      'availability-zone': of.availabilityZone,
      'availability-zone-id': zoneId(of.availabilityZone, of.region),
      region: of.region,
    },
    profile: 'default-hvm',
    'public-hostname': primary && publicName(of, primary),
    'public-ipv4': primary && publicAddress(primary),
    'public-keys':
      of.publicKey === undefined
        ? undefined
        : { [`0=${of.publicKey.name}`]: '', '0': { 'openssh-key': of.publicKey.line } },
    'reservation-id': of.reservationId,
    'security-groups': of.securityGroups.map(({ name }) => name).join('\n'),
    services: { domain: 'amazonaws.com', partition: 'aws' },
    system: 'nitro',
    tags: of.options.instanceMetadataTags === 'enabled' ? { instance: of.tags } : undefined,
  };
}

function networkInterface(of: InstanceMetadata, each: InterfaceMetadata): Branch {
  return {
    'device-number': String(each.deviceIndex),
    'interface-id': each.interfaceId,
    'local-hostname': each.hostname,
    'ipv4-associations':
      each.publicAddresses.length === 0
        ? undefined
        : Object.fromEntries(each.publicAddresses.map(({ publicIp, address }) => [publicIp, address])),
    ipv6s: lines(each.ipv6Addresses),
    'local-ipv4s': each.addresses.join('\n'),
    mac: each.mac,
    'owner-id': of.accountId,
    'public-hostname': publicName(of, each),
    'public-ipv4s': lines(each.publicAddresses.map(({ publicIp }) => publicIp)),
    'security-group-ids': each.securityGroups.map(({ id }) => id).join('\n'),
    'security-groups': each.securityGroups.map(({ name }) => name).join('\n'),
    'subnet-id': each.subnetId,
    'subnet-ipv4-cidr-block': each.subnetCidr,
    'subnet-ipv6-cidr-blocks': each.subnetIpv6Cidr,
    'vpc-id': each.vpcId,
    'vpc-ipv4-cidr-block': each.vpcCidr,
    'vpc-ipv4-cidr-blocks': each.vpcCidr,
    'vpc-ipv6-cidr-blocks': each.vpcIpv6Cidr,
  };
}

function lines(texts: readonly string[]): string | undefined {
  return texts.length === 0 ? undefined : texts.join('\n');
}

/** The one that stands for the primary private address, whichever others there are. */
function publicAddress({ addresses, publicAddresses }: InterfaceMetadata): string | undefined {
  return publicAddresses.find(({ address }) => address === addresses[0])?.publicIp;
}

/** The public DNS name of an address (AWS: "Amazon EC2 instance hostname types"). Nobody outside resolves it. */
function publicName({ region }: InstanceMetadata, each: InterfaceMetadata): string | undefined {
  const address = publicAddress(each);
  const domain = region === 'us-east-1' ? 'compute-1' : `${region}.compute`;
  return address && `ec2-${address.replaceAll('.', '-')}.${domain}.amazonaws.com`;
}

/** `us-east-1a` → `use1-az1`: the short form of the region and the zone's number (AWS: "Availability Zone IDs"). */
function zoneId(zone: string, region: string): string {
  const [area = '', ...rest] = region.split('-');
  // `northeast` is `ne`; `east`, `gov`, `central` are their first letters.
  const short = rest.map((word) =>
    /^(?:north|south)[ew]/.test(word) ? `${word.charAt(0)}${word.charAt(5)}` : word.charAt(0),
  );
  return `${area}${short.join('')}-az${zone.slice(region.length).charCodeAt(0) - 96}`;
}

/**
 * The answer at a path below a version: a leaf's bytes, or a branch as a listing, a name a line, branches with a
 * slash, no final newline. Undefined when there is nothing. Trailing and doubled slashes are forgiven, as by EC2.
 * Names may come percent-encoded: cloud-init writes the tag `a=b` as `a%3Db`.
 */
export function answerAt(tree: Branch, path: string): string | Buffer | undefined {
  let node: Node | undefined = tree;
  const steps = path.split('/').filter(Boolean).map(decoded);
  for (const step of steps) {
    if (step === undefined || node === undefined || typeof node === 'string' || Buffer.isBuffer(node))
      return undefined;
    node = Object.hasOwn(node, step) ? node[step] : undefined;
  }
  if (node === undefined || typeof node === 'string' || Buffer.isBuffer(node)) return node;
  // EC2 lists what is right below a version without slashes.
  return steps.length === 0 ? listing(node).replaceAll('/', '') : listing(node);
}

function decoded(step: string): string | undefined {
  try {
    return decodeURIComponent(step);
  } catch {
    return undefined;
  }
}

function listing(branch: Branch): string {
  return Object.keys(branch)
    .sort()
    .flatMap((name) => {
      // Looking at a getter would sign: what the identity branch has are leaves.
      const descriptor = Object.getOwnPropertyDescriptor(branch, name);
      if (descriptor?.get) return [name];
      const child = branch[name];
      if (child === undefined) return [];
      if (typeof child === 'string' || Buffer.isBuffer(child)) return [name];
      // A key is listed as `0=name` and read below `0`; the bare index is not listed. Tags may look the same: leaves.
      return Object.keys(branch).some((other) => other.startsWith(`${name}=`)) ? [] : [`${name}/`];
    })
    .join('\n');
}

/** Versions that EC2 lists (AWS user guide, "Get the available versions of the instance metadata"). */
export const VERSIONS = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
  '2009-04-04',
  '2011-01-01',
  '2011-05-01',
  '2012-01-12',
  '2014-02-25',
  '2014-11-05',
  '2015-10-20',
  '2016-04-19',
  '2016-06-30',
  '2016-09-02',
  '2018-03-28',
  '2018-08-17',
  '2018-09-24',
  '2019-10-01',
  '2020-10-27',
  '2021-01-03',
  '2021-03-23',
  'latest',
] as const;

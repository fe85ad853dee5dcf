import { createSign } from 'node:crypto';
import type { InstanceMetadata } from './instance-metadata.ts';
import type { IdentitySignatures } from './metadata-tree.ts';

/** The home's own identity: an RSA key and its self-signed certificate, both PEM. */
export interface HomeIdentity {
  readonly privateKey: string;
  readonly certificate: string;
}

/** EC2's instance identity document. The same bytes for the life of an instance: signatures cover them exactly. */
export function identityDocument(of: InstanceMetadata): string {
  return JSON.stringify(
    {
      accountId: of.accountId,
      architecture: of.architecture,
      availabilityZone: of.availabilityZone,
      billingProducts: null,
      devpayProductCodes: null,
      marketplaceProductCodes: null,
      imageId: of.imageId,
      instanceId: of.instanceId,
      instanceType: of.instanceType,
      kernelId: null,
      pendingTime: `${of.launchTime.slice(0, 19)}Z`,
      privateIp: of.interfaces[0]?.addresses[0] ?? null,
      ramdiskId: null,
      region: of.region,
      version: '2017-09-30',
    },
    null,
    2,
  );
}

/** The document with its signatures, each made at its first use. `sign7` makes a PKCS#7 SignedData in base64. */
export function signedIdentity(
  of: InstanceMetadata,
  home: HomeIdentity,
  sign7: (document: string, home: HomeIdentity) => string,
): IdentitySignatures {
  const document = identityDocument(of);
  const made = new Map<string, string>();
  const once = (name: string, make: () => string): string => {
    const value = made.get(name) ?? make();
    made.set(name, value);
    return value;
  };
  return {
    document,
    /** RSA PKCS#1 v1.5 over SHA-256, base64 (AWS: "Verify the instance identity document"). */
    get signature() {
      return once('signature', () => createSign('sha256').update(document).sign(home.privateKey, 'base64'));
    },
    get pkcs7() {
      return once('pkcs7', () => sign7(document, home));
    },
    get rsa2048() {
      return once('pkcs7', () => sign7(document, home));
    },
  };
}

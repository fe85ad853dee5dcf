import forge from 'node-forge';
import type { HomeIdentity } from './identity-document.ts';

/** Years that the home's certificate is good for: as long as anybody will keep the home. */
const VALID_YEARS = 30;

/** A self-signed certificate for the home's key, PEM. */
export function selfSignedCertificate(privateKeyPem: string, now: Date): string {
  const privateKey = forge.pki.privateKeyFromPem(privateKeyPem);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.setRsaPublicKey(privateKey.n, privateKey.e);
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(8))}`;
  certificate.validity.notBefore = now;
  certificate.validity.notAfter = new Date(now.getTime());
  certificate.validity.notAfter.setFullYear(now.getFullYear() + VALID_YEARS);
  const name = [{ name: 'commonName', value: 'bonami instance identity' }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.sign(privateKey, forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}

/** A detached PKCS#7 signature: the base64 body of its PEM form, as EC2 serves it. */
export function signPkcs7(document: string, { privateKey, certificate }: HomeIdentity): string {
  const signed = forge.pkcs7.createSignedData();
  signed.content = forge.util.createBuffer(document, 'utf8');
  signed.addCertificate(certificate);
  signed.addSigner({
    key: privateKey,
    certificate: forge.pki.certificateFromPem(certificate),
    digestAlgorithm: forge.pki.oids['sha256'] ?? '',
    authenticatedAttributes: [
      { type: forge.pki.oids['contentType'] ?? '', value: forge.pki.oids['data'] ?? '' },
      { type: forge.pki.oids['messageDigest'] ?? '' },
      { type: forge.pki.oids['signingTime'] ?? '' },
    ],
  });
  signed.sign({ detached: true });
  return forge.pkcs7
    .messageToPem(signed)
    .replace(/-----[^-]+-----/g, '')
    .replaceAll('\r', '')
    .trim();
}

/**
 * The sealer: one fresh epoch, one envelope.
 *
 * A service that seals often keeps the epoch and walks its steps (4,096 envelopes or 90 seconds
 * each), overwriting keys behind it. This example draws a new epoch each time, which is always right
 * and costs one HPKE seal for each purpose.
 */
import { isUtf8 } from "node:buffer";
import { createCipheriv, randomBytes } from "node:crypto";
import {
  envelopeKey, epochId, fieldContext, LAST_STEP, members, pad, refuse, stanzaInfo, suite,
} from "./format.mjs";
import { writeEnvelope } from "./wire.mjs";

/** Seal to `public_key` (one purpose) or to `public_keys` (all of the audience, by purpose). */
export async function seal(job) {
  const keys = job.public_keys ?? { [job.purpose]: job.public_key };
  // A purpose left out could not read what the policy lets it; one too many could.
  if (Object.keys(keys).sort().join("+") !== members(job.audience).join("+")) refuse();
  if (!Number.isInteger(job.step) || job.step < 0 || job.step > LAST_STEP) refuse();
  if (job.vault_id.length !== 16) refuse();
  const [secret, salt] = [randomBytes(32), randomBytes(32)];
  const epoch = epochId(secret, job.vault_id, job.audience);
  const stanzas = {};
  for (const [purpose, publicKey] of Object.entries(keys)) {
    const info = stanzaInfo(job.vault_id, job.audience, epoch, purpose, publicKey);
    stanzas[purpose] = await sealStanza(publicKey, info, secret);
  }
  const key = envelopeKey(secret, job.vault_id, job.audience, job.step, job.record_name, salt);
  const boxes = sealBoxes(key, job.fields);
  const envelope = writeEnvelope({ epochId: epoch, step: job.step, salt, boxes });
  const sealed = job.public_keys ? { stanzas } : { stanza: stanzas[job.purpose] };
  return { epoch_id: hex(epoch), envelope: hex(envelope), ...sealed };
}

async function sealStanza(publicKey, info, secret) {
  const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey);
  const { enc, ct } = await suite.seal({ recipientPublicKey, info }, Uint8Array.from(secret));
  return hex(Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)]));
}

/** One box for each field, ascending; an empty field has no box, and no box is no envelope. */
function sealBoxes(key, fields) {
  const numbers = Object.keys(fields).map(Number).sort((a, b) => a - b);
  if (numbers.length === 0) refuse();
  return numbers.map((field) => {
    const { name, plaintext } = fields[field];
    if (!Number.isInteger(field) || field < 1) refuse();
    if (plaintext.length === 0 || !isUtf8(plaintext)) refuse();
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(fieldContext(name));
    const sealed = [cipher.update(pad(plaintext)), cipher.final(), cipher.getAuthTag()];
    return { field, ciphertext: Buffer.concat([nonce, ...sealed]) };
  });
}

const hex = (bytes) => Buffer.from(bytes).toString("hex");

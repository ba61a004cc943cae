/**
 * The opener: from a purpose's seed to the plain fields of one record, checking all that the format
 * tells an opener to check.
 *
 * What the job names (record, purpose, fields, vault) comes from the caller's own request and pins,
 * never from the answer that carries the envelope; the audience is the one under which the epoch is
 * published, and it is the caller who compares it with the pins.
 */
import { isUtf8 } from "node:buffer";
import { createDecipheriv, timingSafeEqual } from "node:crypto";
import {
  envelopeKey, epochId, fieldContext, LAST_STEP, members, refuse, stanzaInfo, suite, unpad,
} from "./format.mjs";
import { readEnvelope } from "./wire.mjs";

const NONCE = 12, TAG = 16;

/** The asked fields that the envelope holds: an absent one was empty when it was sealed. */
export async function open(job) {
  const envelope = readEnvelope(job.envelope);
  checkShape(envelope); // (1) before any work, so that nobody can make us do much of it
  if (!same(envelope.epochId, job.epoch_id)) refuse();
  const secret = await openStanza(job); // (2)
  const { step, salt, boxes } = envelope;
  const key = envelopeKey(secret, job.vault_id, job.audience, step, job.record_name, salt);
  const fields = {};
  for (const { field, ciphertext } of boxes) {
    const name = job.fields[field];
    if (name === undefined) continue; // (3) left alone: its plaintext type is not ours to judge
    fields[field] = openBox(key, name, ciphertext).toString("hex");
  }
  return { fields };
}

/** The rules that need no key. */
function checkShape({ epochId, step, salt, boxes }) {
  const ascending = boxes.every(({ field }, i) => field > (i === 0 ? 0 : boxes[i - 1].field));
  if (boxes.length === 0 || !ascending || step > LAST_STEP) refuse();
  if (epochId.length !== 32 || salt.length !== 32) refuse();
}

/** The epoch secret, which must give the published epoch_id. */
export async function openStanza(job) {
  if (!members(job.audience).includes(job.purpose)) refuse();
  if (job.vault_id.length !== 16) refuse();
  const { privateKey, publicKey } = await suite.kem.generateKeyPairDerand(job.seed);
  const own = new Uint8Array(await suite.kem.serializePublicKey(publicKey));
  const info = stanzaInfo(job.vault_id, job.audience, job.epoch_id, job.purpose, own);
  const enc = job.stanza.slice(0, suite.kem.encSize);
  const sealed = job.stanza.slice(suite.kem.encSize);
  const secret = new Uint8Array(await suite.open({ recipientKey: privateKey, enc, info }, sealed));
  if (secret.length !== 32) refuse();
  // Else one box could mean two things to two purposes.
  if (!same(epochId(secret, job.vault_id, job.audience), job.epoch_id)) refuse();
  return secret;
}

function openBox(key, name, ciphertext) {
  if (ciphertext.length < NONCE + TAG) refuse();
  const nonce = ciphertext.subarray(0, NONCE);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG });
  decipher.setAAD(fieldContext(name)).setAuthTag(ciphertext.subarray(-TAG));
  const body = decipher.update(ciphertext.subarray(NONCE, -TAG));
  const padded = Buffer.concat([body, decipher.final()]); // (4) final throws on a wrong tag
  const plaintext = unpad(padded); // (5) exactly as pad would make it
  if (plaintext.length === 0 || !isUtf8(plaintext)) refuse(); // (6) cards and contacts hold strings
  return plaintext;
}

/** Equal bytes, in constant time; lengths are no secret. */
export const same = (one, other) => one.length === other.length && timingSafeEqual(one, other);

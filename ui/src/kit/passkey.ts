// A passkey's signature over the hash of what will run, and the keys of who is signed in.
import { api } from '../api/client';

export type Passkey = { id: string; name: string; created_at: string; last_used_at: string | null };
export type Passkeys = { rp_id: string; passkeys: Passkey[] };
export type Signature = { credential_id: string; authenticator_data: string; client_data: string; signature: string };

export function toText(b: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(b))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
export function toBytes(t: string): Uint8Array<ArrayBuffer> {
  const s = atob(t.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(s, (c) => c.charCodeAt(0)) as Uint8Array<ArrayBuffer>;
}
function possible(): void {
  if (!globalThis.isSecureContext || !navigator.credentials || typeof PublicKeyCredential === 'undefined') throw new Error('this browser has no passkeys here; open the page by https, or as http://localhost');
}
function why(e: unknown): Error {
  return e instanceof DOMException && (e.name === 'NotAllowedError' || e.name === 'AbortError') ? new Error('the passkey was not used') : e instanceof Error ? e : new Error(String(e));
}

/** Who has none must add one before they can sign. */
export class NoPasskey extends Error {
  constructor() { super('you have no passkey yet; add one under your settings'); }
}
/** Signs an answer to an approval: a challenge made of its id, the hash that is shown, the answer and who is signed in, good once. `gone` gives up waiting for the key. */
export async function sign(approval: string, hash: string, verdict: 'approve' | 'again', gone: AbortSignal): Promise<Signature> {
  possible();
  const ask = await api<{ challenge: string; rp_id: string; credentials: string[] }>(`/api/watchfire/approvals/${encodeURIComponent(approval)}/challenge`, { body: { hash, verdict } });
  if (ask.credentials.length === 0) throw new NoPasskey();
  try {
    const c = (await navigator.credentials.get({ signal: gone, publicKey: { challenge: toBytes(ask.challenge), rpId: ask.rp_id, userVerification: 'required', timeout: 120_000, allowCredentials: ask.credentials.map((id) => ({ type: 'public-key', id: toBytes(id) })) } })) as PublicKeyCredential | null;
    if (!c) throw new Error('the passkey was not used');
    const r = c.response as AuthenticatorAssertionResponse;
    return { credential_id: toText(c.rawId), authenticator_data: toText(r.authenticatorData), client_data: toText(r.clientDataJSON), signature: toText(r.signature) };
  } catch (e) {
    throw why(e);
  }
}
/** Makes a new passkey and gives it to the server, which wants the password again: a stolen session must not be able to sign. */
export async function register(name: string, password: string, user: { username: string; full_name: string | null }): Promise<Passkey> {
  possible();
  const ask = await api<{ challenge: string; rp_id: string; rp_name: string; user_id: string }>('/api/watchfire/passkeys/challenge', { body: { password } });
  try {
    const c = (await navigator.credentials.create({ publicKey: { challenge: toBytes(ask.challenge), rp: { id: ask.rp_id, name: ask.rp_name }, user: { id: toBytes(ask.user_id), name: user.username, displayName: user.full_name ?? user.username }, pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -8 }], authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' }, attestation: 'none', timeout: 120_000 } })) as PublicKeyCredential | null;
    if (!c) throw new Error('no passkey was made');
    const r = c.response as AuthenticatorAttestationResponse;
    return await api<Passkey>('/api/watchfire/passkeys', { body: { name, credential_id: toText(c.rawId), client_data: toText(r.clientDataJSON), attestation_object: toText(r.attestationObject) } });
  } catch (e) {
    throw why(e);
  }
}
export async function forget(id: string): Promise<void> {
  await api(`/api/watchfire/passkeys/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

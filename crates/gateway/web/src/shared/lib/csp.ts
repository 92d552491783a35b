/** The nonce of this page for style elements, as the gateway wrote it into index.html. */
export function cspNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
}

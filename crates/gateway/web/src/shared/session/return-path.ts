/**
 * Where to go after signing in. Only a path of our own: an address given from outside (`//evil.example`, `https:…`) must not
 * turn the sign-in page into a way to somewhere else.
 */
export function returnPath(from: string | undefined): string {
  if (!from?.startsWith('/') || from.startsWith('//') || from.includes('\\')) return '/';
  return from.startsWith('/sign-in') ? '/' : from;
}

import { browserKept } from '~/shared/lib/kept';

const STORED = 'clientele.last-login';

/** With which login this user last signed in, so that an ended session asks for the password alone. */
export function lastLogin(userId: string | undefined): string {
  try {
    const stored: unknown = JSON.parse(browserKept.read(STORED) || 'null');
    if (typeof stored !== 'object' || stored === null || !('userId' in stored) || !('login' in stored)) return '';
    return stored.userId === userId && typeof stored.login === 'string' ? stored.login : '';
  } catch {
    return '';
  }
}

export function rememberLogin(userId: string, login: string): void {
  browserKept.write(STORED, JSON.stringify({ userId, login }));
}

/** Whoever signs out leaves no trace of themselves. */
export function forgetLogin(): void {
  browserKept.write(STORED, '');
}

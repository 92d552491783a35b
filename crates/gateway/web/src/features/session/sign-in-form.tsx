import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import { useErrorText } from '~/shared/ui/error-state';
import classes from './sign-in.module.css';

/** In place of an error: the login or the password is wrong. */
const WRONG = Symbol('wrong');

type Props = {
  /** What the login begins with; then the password takes the focus. */
  login?: string;
  /** Signs in; what it throws is shown. */
  onSubmit: (login: string, password: string) => Promise<void>;
  size: 'sm' | 'md';
};

/** Login and password, with what the server says of them. */
export function SignInForm({ login = '', onSubmit, size }: Props) {
  const { t } = useTranslation('session');
  const textOf = useErrorText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [blockedUntil, setBlockedUntil] = useState<number>();
  const seconds = useSecondsUntil(blockedUntil);
  const password = useRef<HTMLInputElement>(null);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(undefined);
    try {
      await onSubmit(String(form.get('login') ?? '').trim(), String(form.get('password') ?? ''));
    } catch (reason) {
      if (reason instanceof ApiError && reason.status === 429)
        setBlockedUntil(Date.now() + (reason.retryAfter ?? 30) * 1000);
      else if (reason instanceof ApiError && (reason.isUnauthenticated || reason.status === 400)) setError(WRONG);
      else setError(reason);
      password.current?.select();
    } finally {
      setBusy(false);
    }
  };

  const blocked = seconds > 0;
  const message = blocked
    ? t('throttled', { count: seconds })
    : error === WRONG
      ? t('wrong')
      : error !== undefined && textOf(error);
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          name="login"
          type="email"
          label={t('login')}
          autoComplete="username"
          defaultValue={login}
          autoFocus={login === ''}
          data-autofocus={login === '' || undefined}
          required
          withAsterisk={false}
          size={size}
        />
        <PasswordInput
          ref={password}
          name="password"
          label={t('password')}
          autoComplete="current-password"
          autoFocus={login !== ''}
          data-autofocus={login !== '' || undefined}
          required
          withAsterisk={false}
          size={size}
          visibilityToggleButtonProps={{ 'aria-label': t('showPassword'), tabIndex: 0 }}
        />
        {message && (
          <Alert
            color="red"
            variant="outline"
            icon={<IconAlertTriangle size={18} aria-hidden />}
            role="alert"
            className={classes.alert}
          >
            {message}
          </Alert>
        )}
        <Button type="submit" size={size} loading={busy} disabled={blocked} fullWidth>
          {t('submit')}
        </Button>
      </Stack>
    </form>
  );
}

/** Whole seconds until a moment, counted down; 0 once it has passed. */
function useSecondsUntil(moment: number | undefined): number {
  const [now, setNow] = useState(() => Date.now());
  const left = moment === undefined ? 0 : Math.max(0, Math.ceil((moment - now) / 1000));
  const counting = moment !== undefined && left > 0;
  useEffect(() => {
    if (!counting) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [counting]);
  return left;
}

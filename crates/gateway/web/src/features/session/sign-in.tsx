import { Alert, Button, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import { changeLanguage, LANGUAGES, useLanguage } from '~/shared/i18n';
import { useSignIn } from '~/shared/session';
import { useErrorText } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import classes from './sign-in.module.css';

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const { t } = useTranslation('session');
  const signIn = useSignIn();
  const textOf = useErrorText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [blockedUntil, setBlockedUntil] = useState<number>();
  const seconds = useSecondsUntil(blockedUntil);
  const password = useRef<HTMLInputElement>(null);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(undefined);
    try {
      await signIn(String(form.get('login') ?? '').trim(), String(form.get('password') ?? ''));
      onSignedIn();
    } catch (reason) {
      setBusy(false);
      if (reason instanceof ApiError && reason.status === 429)
        setBlockedUntil(Date.now() + (reason.retryAfter ?? 30) * 1000);
      else if (reason instanceof ApiError && (reason.isUnauthenticated || reason.status === 400)) setError(t('wrong'));
      else setError(textOf(reason));
      password.current?.select();
    }
  };

  const blocked = seconds > 0;
  const message = blocked ? t('throttled', { count: seconds }) : error;
  return (
    <main className={classes.page}>
      <div className={classes.card}>
        <div className={classes.brand}>
          <img src="/icon.svg" alt="" width={32} height={32} />
          <Text fw={650} size="lg">
            Clientele
          </Text>
        </div>
        <PageHeading takesFocus={false}>{t('title')}</PageHeading>
        <form onSubmit={submit}>
          <Stack gap="sm">
            <TextInput
              name="login"
              type="email"
              label={t('login')}
              autoComplete="username"
              autoFocus
              required
              withAsterisk={false}
              size="md"
            />
            <PasswordInput
              ref={password}
              name="password"
              label={t('password')}
              autoComplete="current-password"
              required
              withAsterisk={false}
              size="md"
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
            <Button type="submit" size="md" loading={busy} disabled={blocked} fullWidth>
              {t('submit')}
            </Button>
          </Stack>
        </form>
      </div>
      <Languages />
    </main>
  );
}

function Languages() {
  const { t } = useTranslation();
  const current = useLanguage();
  return (
    <nav className={classes.languages} aria-label={t('language.label')}>
      {LANGUAGES.map(({ code, name }) => (
        <button
          key={code}
          type="button"
          lang={code}
          aria-pressed={code === current}
          onClick={() => void changeLanguage(code)}
        >
          {name}
        </button>
      ))}
    </nav>
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

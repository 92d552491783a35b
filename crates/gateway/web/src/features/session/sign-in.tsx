import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { changeLanguage, LANGUAGES, useLanguage } from '~/shared/i18n';
import { useSignIn } from '~/shared/session';
import { PageHeading } from '~/shared/ui/page-heading';
import classes from './sign-in.module.css';
import { SignInForm } from './sign-in-form';

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const { t } = useTranslation('session');
  const signIn = useSignIn();
  const submit = async (login: string, password: string) => {
    await signIn(login, password);
    onSignedIn();
  };
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
        <SignInForm onSubmit={submit} size="md" />
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

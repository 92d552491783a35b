import { Alert, Button, Group, Skeleton, Text, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconAlertTriangle } from '@tabler/icons-react';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import { ApiError } from '~/shared/api/problem';
import type { Rule, Segment, SegmentField } from '~/shared/api/types';
import { useViolationText, type ViolationText } from '~/shared/i18n/violation-text';
import { useFormat } from '~/shared/lib/use-format';
import { useRuleSentence } from '~/shared/rules/sentence';
import { ErrorState, useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { PageHeading } from '~/shared/ui/page-heading';
import { Panel } from '~/shared/ui/panel';
import { When } from '~/shared/ui/when';
import { conditionAt, draftOf, levelsOf, MAX_LEVELS, newCondition, newGroup, readDraft } from './draft';
import { countQuery, fieldsQuery, segmentQuery } from './queries';
import { RuleBuilder } from './rule-builder';
import classes from './segments.module.css';
import { useRuleNames } from './use-rule-names';

const COUNT_AFTER_MS = 500;

type Props = {
  /** The segment to change; a new one without. */
  segment?: Segment;
  onCancel: () => void;
  onSaved: (segment: Segment) => void;
};

/** A segment being written: its name, its rule, and how many customers it would hold. */
export default function SegmentEditor(props: Props) {
  const { t } = useTranslation('segments');
  const fields = useQuery(fieldsQuery);
  if (fields.isPending) return <Skeleton m="md" height={320} radius="md" />;
  if (!fields.data) {
    return <ErrorState title={t('fieldsFailed')} error={fields.error} onRetry={() => void fields.refetch()} />;
  }
  return <Form {...props} fields={fields.data} />;
}

function Form({ segment, fields, onCancel, onSaved }: Props & { fields: readonly SegmentField[] }) {
  const { t } = useTranslation(['segments', 'common']);
  const queryClient = useQueryClient();
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  const [name, setName] = useState(segment?.name ?? '');
  const [description, setDescription] = useState(segment?.description ?? '');
  const [draft, setDraft] = useState(() =>
    segment ? draftOf(segment.rule) : newGroup('all', fields[0] ? [newCondition(fields[0])] : []),
  );
  // The version the reader saw when the editing began: what comes in meanwhile must not be overwritten unseen.
  const [base, setBase] = useState(segment);
  const [tried, setTried] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const [refusedFor, setRefusedFor] = useState<Segment>();
  const nameInput = useRef<HTMLInputElement>(null);
  const form = useRef<HTMLFormElement>(null);
  // One key for one content: repeated after a lost answer it creates nothing twice.
  const sent = useRef({ content: '', key: '' });

  const reading = useMemo(() => readDraft(draft, fields), [draft, fields]);
  const tooDeep = levelsOf(draft) > MAX_LEVELS;

  const save = useMutation({
    mutationFn: ({ rule, etag }: { rule: Rule; etag: string | undefined }) => {
      const values = { name: name.trim(), description: description.trim(), rule };
      const content = JSON.stringify([values, etag]);
      if (sent.current.content !== content) sent.current = { content, key: idempotencyKey() };
      const headers = { 'Idempotency-Key': sent.current.key };
      if (!segment) return body(api.POST('/v1/segments', { headers, body: { segment: values } }));
      return body(
        api.PATCH('/v1/segments/{id}', {
          params: { path: { id: segment.id }, query: { updateMask: 'name,description,rule' } },
          headers,
          body: { id: segment.id, ...(etag && { etag }), ...values },
        }),
      );
    },
    onSuccess: (saved) => {
      queryClient.setQueryData(segmentQuery(saved.id).queryKey, saved);
      void queryClient.invalidateQueries({ queryKey: ['segments'] });
      announce(t('saved', { name: saved.name }));
      onSaved(saved);
    },
    onError: async (error) => {
      if (segment && error instanceof ApiError && error.isConflict) {
        setRefusedFor(await queryClient.fetchQuery({ ...segmentQuery(segment.id), staleTime: 0 }));
        return;
      }
      setFailure({ error, paths: reading.paths });
    },
  });

  // The live stream tells of it before anybody tries to save.
  const newer = segment && segment.etag !== base?.etag && !save.isPending && !save.isSuccess ? segment : undefined;
  const conflict = newer ?? refusedFor;

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    setTried(true);
    setFailure(undefined);
    if (name.trim() === '') {
      nameInput.current?.focus();
      return;
    }
    if (!reading.rule) {
      // The first condition that is not complete takes the focus, once its error is shown.
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
      return;
    }
    if (!tooDeep) save.mutate({ rule: reading.rule, etag: base?.etag });
  };

  const refused = failure ? refusalOf(failure, wordsOf, violationText) : NOT_REFUSED;
  const conditionErrors = new Map<string, string>(refused.conditions);
  if (tried) for (const [key, fault] of reading.faults) conditionErrors.set(key, t(`fault.${fault}`));
  const whole = [
    ...refused.rest,
    ...(tried && !reading.rule && reading.faults.size === 0 ? [t('fault.empty')] : []),
    ...(tooDeep ? [t('fault.tooDeep', { max: MAX_LEVELS })] : []),
  ];

  return (
    <form ref={form} className={classes.page} onSubmit={submit} noValidate>
      <PageHeading title={t(segment ? 'edit.title' : 'new.title')}>
        {segment ? segment.name : t('new.title')}
      </PageHeading>
      <Panel title={t('field.what')}>
        <TextInput
          ref={nameInput}
          label={t('field.name')}
          required
          maxLength={100}
          value={name}
          error={refused.name ?? (tried && name.trim() === '' ? t('fault.name') : undefined)}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Textarea
          mt="sm"
          label={t('field.description')}
          maxLength={500}
          rows={2}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
      </Panel>
      <Panel title={t('rule.title')}>
        <RuleBuilder draft={draft} fields={fields} errors={conditionErrors} onChange={setDraft} />
        <Said rule={reading.rule} />
      </Panel>
      <Count rule={tooDeep ? undefined : reading.rule} />
      {whole.length > 0 && (
        <Alert color="red" variant="outline" icon={<IconAlertTriangle size={18} aria-hidden />} role="alert">
          {whole.map((line) => (
            <div key={line}>{line}</div>
          ))}
        </Alert>
      )}
      {conflict && (
        <Alert color="orange" variant="outline" role="alert" title={t('conflict.title')}>
          <p className={classes.sentence}>
            {t('conflict.theirs')} <Said rule={conflict.rule} inline />
          </p>
          <Group gap="xs" mt="xs">
            <Button
              size="xs"
              loading={save.isPending}
              onClick={() => {
                setBase(conflict);
                setRefusedFor(undefined);
                if (reading.rule) save.mutate({ rule: reading.rule, etag: conflict.etag });
              }}
            >
              {t('conflict.keepMine')}
            </Button>
            <Button size="xs" variant="default" onClick={onCancel}>
              {t('conflict.takeTheirs')}
            </Button>
          </Group>
        </Alert>
      )}
      <Group gap="xs">
        <Button type="submit" loading={save.isPending}>
          {t(segment ? 'action.save' : 'action.create')}
        </Button>
        <Button variant="default" onClick={onCancel}>
          {t('common:action.cancel')}
        </Button>
      </Group>
    </form>
  );
}

/** The rule in words, so that what was built is what was meant. */
function Said({ rule, inline = false }: { rule: Rule | undefined; inline?: boolean }) {
  const { t } = useTranslation('segments');
  const sentence = useRuleSentence(useRuleNames(rule));
  if (inline) return sentence(rule);
  return (
    <p className={classes.said}>
      <span className={classes.saidLabel}>{t('rule.said')}</span> {rule ? sentence(rule) : t('rule.unfinished')}
    </p>
  );
}

/** How many customers the rule holds now, asked for once the writing pauses. */
function Count({ rule }: { rule: Rule | undefined }) {
  const { t } = useTranslation(['segments', 'common']);
  const format = useFormat();
  const wordsOf = useErrorWords();
  const [settled] = useDebouncedValue(JSON.stringify(rule ?? null), COUNT_AFTER_MS);
  const asked = useMemo(() => JSON.parse(settled) as Rule | null, [settled]);
  const counted = useQuery({
    ...countQuery(asked ?? {}),
    enabled: asked !== null,
    placeholderData: keepPreviousData,
  });
  const current = asked !== null && JSON.stringify(rule ?? null) === settled && !counted.isPlaceholderData;
  const count = counted.data && Number(counted.data.count);
  const text =
    count === undefined
      ? undefined
      : t('count.customers', { count, shown: format.number(BigInt(counted.data?.count ?? 0)) });

  useEffect(() => {
    if (current && text && !counted.isFetching) announce(text);
  }, [current, text, counted.isFetching]);

  return (
    <Panel title={t('count.title')}>
      {!rule ? (
        <Text size="sm" c="dimmed">
          {t('count.unfinished')}
        </Text>
      ) : counted.isError && !counted.isFetching ? (
        <Group gap="sm" role="alert">
          <Text size="sm" c="var(--mantine-color-error)">
            {wordsOf(counted.error).join(' · ')}
          </Text>
          <Button size="compact-sm" variant="default" onClick={() => void counted.refetch()}>
            {t('common:action.tryAgain')}
          </Button>
        </Group>
      ) : text === undefined ? (
        <Skeleton height={32} width={180} />
      ) : (
        <div className={classes.facts} aria-busy={!current || counted.isFetching}>
          <span className={classes.count} data-stale={!current || undefined}>
            {text}
          </span>
          {current && counted.data?.asOf ? (
            <span>
              {t('count.asOf')} <When at={counted.data.asOf} />
            </span>
          ) : (
            <span>{t('count.counting')}</span>
          )}
        </div>
      )}
    </Panel>
  );
}

type Refused = { name: string | undefined; conditions: [string, string][]; rest: string[] };
const NOT_REFUSED: Refused = { name: undefined, conditions: [], rest: [] };

/** An error, and where each condition stood in the rule it is about. */
type Failure = { error: unknown; paths: ReadonlyMap<string, string> };

/** What the server refused, each at its place. */
function refusalOf({ error, paths }: Failure, wordsOf: (error: unknown) => string[], textOf: ViolationText): Refused {
  const problem = error instanceof ApiError ? error.problem : undefined;
  const refused: Refused = { name: undefined, conditions: [], rest: [] };
  for (const wrong of problem?.errors ?? []) {
    const { field } = wrong;
    const description = textOf(wrong);
    const key = conditionAt(field, paths);
    if (key) refused.conditions.push([key, description]);
    else if (/(^|\.)name$/.test(field)) refused.name = description;
    else refused.rest.push(`${field}: ${description}`);
  }
  if (!problem?.errors?.length) refused.rest = wordsOf(error);
  return refused;
}

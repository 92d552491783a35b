import { ActionIcon, Button, TextInput } from '@mantine/core';
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconBold,
  IconItalic,
  IconLink,
  IconList,
  IconListNumbers,
} from '@tabler/icons-react';
import { Bold } from '@tiptap/extension-bold';
import { Document } from '@tiptap/extension-document';
import { HardBreak } from '@tiptap/extension-hard-break';
import { Italic } from '@tiptap/extension-italic';
import { Link } from '@tiptap/extension-link';
import { BulletList, ListItem, OrderedList } from '@tiptap/extension-list';
import { Paragraph } from '@tiptap/extension-paragraph';
import { Text } from '@tiptap/extension-text';
import { UndoRedo } from '@tiptap/extensions';
import { EditorContent, useEditor, useEditorState } from '@tiptap/react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { cspNonce } from '~/shared/lib/csp';
import classes from './editor.module.css';

const EXTENSIONS = [
  Document,
  Paragraph,
  Text,
  Bold,
  Italic,
  HardBreak,
  BulletList,
  OrderedList,
  ListItem,
  UndoRedo,
  Link.configure({ openOnClick: false, defaultProtocol: 'https', protocols: ['http', 'https', 'mailto', 'tel'] }),
];

type Props = { label: string; html: string; disabled: boolean; onChange: (html: string) => void };

/** Rich text, kept to what every mail program shows: paragraphs, emphasis, lists, links. */
export default function Editor({ label, html, disabled, onChange }: Props) {
  const { t } = useTranslation('mail');
  const [linking, setLinking] = useState(false);
  const editor = useEditor({
    extensions: EXTENSIONS,
    content: html,
    editable: !disabled,
    injectNonce: cspNonce(),
    editorProps: {
      attributes: { role: 'textbox', 'aria-multiline': 'true', 'aria-label': label, class: classes.text ?? '' },
    },
    onUpdate: ({ editor: changed }) => onChange(changed.isEmpty ? '' : changed.getHTML()),
  });
  const marks = useEditorState({
    editor,
    selector: ({ editor: now }) => ({
      bold: now.isActive('bold'),
      italic: now.isActive('italic'),
      bulletList: now.isActive('bulletList'),
      orderedList: now.isActive('orderedList'),
      link: now.isActive('link'),
      mayUndo: now.can().undo(),
      mayRedo: now.can().redo(),
    }),
  });

  const tools = [
    { id: 'bold', icon: IconBold, on: marks.bold, run: () => editor.chain().focus().toggleBold().run() },
    { id: 'italic', icon: IconItalic, on: marks.italic, run: () => editor.chain().focus().toggleItalic().run() },
    { id: 'bullets', icon: IconList, on: marks.bulletList, run: () => editor.chain().focus().toggleBulletList().run() },
    {
      id: 'numbers',
      icon: IconListNumbers,
      on: marks.orderedList,
      run: () => editor.chain().focus().toggleOrderedList().run(),
    },
    { id: 'link', icon: IconLink, on: marks.link, run: () => setLinking(true) },
  ] as const;
  return (
    <div className={classes.editor}>
      <div role="toolbar" aria-label={t('editor.tools')} className={classes.tools}>
        {tools.map(({ id, icon: Icon, on, run }) => (
          <ActionIcon
            key={id}
            variant={on ? 'light' : 'subtle'}
            color={on ? 'indigo' : 'gray'}
            size={28}
            aria-pressed={on}
            aria-label={t(`editor.${id}`)}
            disabled={disabled}
            onClick={run}
          >
            <Icon size={17} stroke={1.8} aria-hidden />
          </ActionIcon>
        ))}
        <span className={classes.gap} />
        <ActionIcon
          variant="subtle"
          color="gray"
          size={28}
          aria-label={t('editor.undo')}
          disabled={disabled || !marks.mayUndo}
          onClick={() => editor.chain().focus().undo().run()}
        >
          <IconArrowBackUp size={17} aria-hidden />
        </ActionIcon>
        <ActionIcon
          variant="subtle"
          color="gray"
          size={28}
          aria-label={t('editor.redo')}
          disabled={disabled || !marks.mayRedo}
          onClick={() => editor.chain().focus().redo().run()}
        >
          <IconArrowForwardUp size={17} aria-hidden />
        </ActionIcon>
      </div>
      {linking && (
        <LinkForm
          target={String(editor.getAttributes('link').href ?? '')}
          onClose={(target) => {
            setLinking(false);
            const chain = editor.chain().focus().extendMarkRange('link');
            if (target === '') chain.unsetLink().run();
            else if (target !== undefined && editor.state.selection.empty && !marks.link) {
              chain
                .insertContent({ type: 'text', text: target, marks: [{ type: 'link', attrs: { href: target } }] })
                .run();
            } else if (target !== undefined) chain.setLink({ href: target }).run();
            else editor.commands.focus();
          }}
        />
      )}
      <EditorContent editor={editor} />
    </div>
  );
}

/** Asks where a link leads; an empty answer takes the link away, none leaves everything as it is. */
function LinkForm({ target, onClose }: { target: string; onClose: (target: string | undefined) => void }) {
  const { t } = useTranslation(['mail', 'common']);
  const [value, setValue] = useState(target);
  const [wrong, setWrong] = useState(false);
  const apply = () => {
    const typed = value.trim();
    const full = typed === '' || /^[a-z]+:/i.test(typed) ? typed : `https://${typed}`;
    if (full !== '' && !/^(https?:\/\/\S+|mailto:\S+|tel:\S+)$/i.test(full)) setWrong(true);
    else onClose(full);
  };
  return (
    <div className={classes.link}>
      <TextInput
        size="xs"
        value={value}
        aria-label={t('editor.target')}
        placeholder="https://"
        error={wrong && t('editor.wrongTarget')}
        onChange={(event) => setValue(event.currentTarget.value)}
        onKeyDown={(event) => {
          // The link's own Enter and Escape; those of the form around do something else.
          if (event.key === 'Enter') {
            event.preventDefault();
            apply();
          }
          if (event.key === 'Escape') {
            event.stopPropagation();
            onClose(undefined);
          }
        }}
        autoFocus
        className={classes.target}
      />
      <Button size="xs" onClick={apply}>
        {t('editor.setLink')}
      </Button>
      <Button size="xs" variant="default" onClick={() => onClose(undefined)}>
        {t('common:action.cancel')}
      </Button>
    </div>
  );
}

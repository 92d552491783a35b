-- An import that nobody runs within the days its file is kept has expired. One whose file never came expires too.
alter table customers.import drop constraint import_state_check;
alter table customers.import add constraint import_state_check
    check (state in ('awaiting_file', 'ready', 'checking', 'running', 'done', 'failed', 'cancelled', 'undoing', 'undone',
                     'expired'));

update customers.import set file_expires_at = created_at + interval '7 days' where state = 'awaiting_file';
update customers.import set state = 'expired' where state = 'ready' and file is null;

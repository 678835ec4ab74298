create table words(id integer primary key, word text, length integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into words select i, printf('%x-%s', i * 7919 % 65536, substr('kwast', 1, i % 5 + 1)), i % 5 from n;
create index by_word on words(word);
select count(*), sum(length(word)), min(word), max(word) from words;
select length, count(*), avg(id), group_concat(id, ',') from (select * from words where id < 40) group by length order by length;
select word from words where word like '1a%' order by word limit 5;
create virtual table texts using fts5(body);
insert into texts values('the quick brown fox'), ('jumps over the lazy dog'), ('a quick dog');
select rowid, body from texts where texts match 'quick AND dog';
begin;
delete from words where id % 3 = 0;
select count(*) from words;
rollback;
select count(*) from words;
select round(sqrt(2), 10), pow(2, 100), 1e308 * 10, typeof(1 / 2.0), 9223372036854775807 + 1;
explain query plan select * from words where word = 'x';
select * from nowhere;
.mode column
select id, word from words limit 3;
pragma integrity_check;

-- Never written: the newest run of an app is found in the table of runs.
ALTER TABLE apps DROP COLUMN last_run;

BEGIN TRANSACTION;
CREATE TABLE about_database (
	id INTEGER NOT NULL, 
	schema_version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "about_database" VALUES(1,1);
CREATE TABLE checkpoints (
	run_id VARCHAR(16) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	step INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (run_id, name), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "checkpoints" VALUES('FJod4cAImj','latest',5,X'7374617465');
CREATE TABLE frames (
	run_id VARCHAR(16) NOT NULL, 
	seq BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	sample INTEGER, 
	first INTEGER NOT NULL, 
	last INTEGER NOT NULL, 
	tier INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	overview BLOB, 
	data BLOB NOT NULL, 
	PRIMARY KEY (run_id, seq), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "frames" VALUES('FJod4cAImj',1,'scalars',NULL,0,4,0,240,NULL,X'C0000000000000007B225F5F6D657461646174615F5F223A7B226669727374223A2230222C226B696E64223A227363616C617273222C226C617374223A2234222C22736571223A2231227D2C226C6F73732F747261696E223A7B226474797065223A22463332222C227368617065223A5B355D2C22646174615F6F666673657473223A5B302C32305D7D2C2273746570223A7B226474797065223A22493332222C227368617065223A5B355D2C22646174615F6F666673657473223A5B32302C34305D7D7D202020000000000000803F0000004000004040000080400000000001000000020000000300000004000000');
CREATE TABLE overrides (
	id INTEGER NOT NULL, 
	run_id VARCHAR(16) NOT NULL, 
	field VARCHAR(32) NOT NULL, 
	value JSON NOT NULL, 
	step INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "overrides" VALUES(1,'FJod4cAImj','clip','"norm"',3);
CREATE TABLE runs (
	id VARCHAR(16) NOT NULL, 
	revision INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	state_version INTEGER NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	desired VARCHAR(16) NOT NULL, 
	target INTEGER, 
	step INTEGER NOT NULL, 
	steps INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	lease_holder VARCHAR(128), 
	lease_until FLOAT, 
	attempts INTEGER NOT NULL, 
	last_ran FLOAT NOT NULL, 
	created FLOAT NOT NULL, 
	started FLOAT, 
	finished FLOAT, 
	train_seconds FLOAT NOT NULL, 
	speed FLOAT NOT NULL, 
	name VARCHAR(200), 
	parent VARCHAR(16), 
	error JSON, 
	config JSON NOT NULL, 
	about JSON, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('FJod4cAImj',0,1,6,'paused','paused',NULL,4,60,2,NULL,NULL,0,1.79526127154763245584e+09,1.79526127151975083348e+09,1.79526127152297067636e+09,NULL,0.0,0.0,'The cliff','another',NULL,'{"task": {"name": "recall", "length": 8, "vocabulary": 10}, "model": {"cell": "lstm", "hidden_size": 64, "num_layers": 1, "bidirectional": false, "bias": true, "batch_first": false, "dropout": 0.0, "proj_size": 0, "embedding_size": 32, "attention": "none"}, "init": {"preset": "pytorch", "weight_ih": null, "weight_hh": null, "bias": null, "head": null, "attention": null, "per_gate": null}, "training": {"optimizer": "adam", "learning_rate": 0.003, "momentum": 0.0, "weight_decay": 0.0, "batch_size": 64, "steps": 60, "clip": "none", "clip_threshold": 1.0, "bptt_length": null, "validate_every": 50, "seed": 1}}',NULL);
CREATE INDEX runs_by_age ON runs (created);
CREATE INDEX runs_waiting ON runs (desired, status, last_ran);
CREATE INDEX overrides_of_run ON overrides (run_id);
CREATE INDEX frames_by_kind ON frames (run_id, kind, tier, last);
COMMIT;

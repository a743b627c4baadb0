// For every trial NNI's manager opens two files, which the trial's process writes to, and never closes them: after some
// thousands of trials it may open no further file, and the experiment is over. A process that was started has files of
// its own, so those of the manager are closed then.
'use strict';
const child = require('node:child_process');
const fs = require('node:fs');
const spawn = child.spawn;

child.spawn = function (command, ...others) {
    const made = spawn.call(this, command, ...others);
    const options = others.find((value) => value && typeof value === 'object' && !Array.isArray(value));
    const given = options && Array.isArray(options.stdio) ? options.stdio : [];
    const files = given.filter((value) => value instanceof fs.WriteStream);
    if (files.length > 0) {
        const close = () => files.forEach((file) => file.destroy());
        made.once('spawn', close);
        made.once('error', close);
    }
    return made;
};

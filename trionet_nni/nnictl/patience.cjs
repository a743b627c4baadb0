// NNI's manager gives its tuner 10 seconds to connect, without an option for it, and then ends the experiment
// with an error. On a busy machine Python alone takes longer to start: here it has a minute.
'use strict';
const later = global.setTimeout;

function setTimeout(callback, delay, ...args) {
    const tuner = delay === 10000 && String(callback).includes('Tuner did not connect');
    return later.call(this, callback, tuner ? 60000 : delay, ...args);
}

Object.defineProperties(setTimeout, Object.getOwnPropertyDescriptors(later)); // util.promisify's mark is one
global.setTimeout = setTimeout;

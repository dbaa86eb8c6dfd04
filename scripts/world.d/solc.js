// Standard JSON on stdin, standard JSON on stdout. argv[2] is the folder of npm's `solc`.
const soljson = require(process.argv[2] + '/soljson.js');
const compile = soljson.cwrap('solidity_compile', 'string', ['string', 'number', 'number']);
process.stdout.write(compile(require('fs').readFileSync(0, 'utf8'), 0, 0));

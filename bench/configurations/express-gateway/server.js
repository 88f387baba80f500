require(process.env.BENCH_MODULES + '/express-gateway')().load(process.env.BENCH_CONFIG).run();

package main

import (
	"context"
	"fmt"
	"sync"

	cliflag "k8s.io/component-base/cli/flag"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controlleroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// startControllers brings up what stands behind the API server, and says on standard output when all is
// ready. A part that ends by itself ends the whole.
func startControllers(ctx context.Context, end context.CancelCauseFunc, parts *sync.WaitGroup, s settings, f controlFiles) error {
	config, client, err := waitForServer(ctx, s, f)
	if err != nil {
		return err
	}
	part := func(name string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); ctx.Err() == nil {
				end(fmt.Errorf("%s ended by itself: %w", name, err))
			}
		})
	}
	part("kube-controller-manager", func(ctx context.Context) error { return runControllerManager(ctx, f) })
	part("kube-scheduler", func(ctx context.Context) error { return runScheduler(ctx, f) })
	part("load balancers", func(ctx context.Context) error { return giveLoadBalancersAnAddress(ctx, config) })
	if err := waitForControllers(ctx, s, client); err != nil {
		return err
	}
	announce(s, f)
	return nil
}

// runControllerManager does what its command does, without the command: a second command in the process
// fails, because the API server's has already set the logging up.
func runControllerManager(ctx context.Context, f controlFiles) error {
	options, err := controlleroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, disabled, aliases := controllermanager.KnownControllers(), controllermanager.ControllersDisabledByDefault(), controllermanager.ControllerAliases()
	flags := options.Flags(known, disabled, aliases)
	options.ParsedFlags = &flags
	if err := parse(flags, []string{
		"--kubeconfig=" + f.kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + f.serviceKey,
		"--root-ca-file=" + f.certificate,
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		// The watches tell them; there is nobody to serve metrics or profiles to.
		"--profiling=false",
	}); err != nil {
		return err
	}
	config, err := options.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	return controllermanager.Run(ctx, config.Complete())
}

// runScheduler is to the scheduler what runControllerManager is to the controllers.
func runScheduler(ctx context.Context, f controlFiles) error {
	options := scheduleroptions.NewOptions()
	if err := parse(*options.Flags, []string{
		"--kubeconfig=" + f.kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
	}); err != nil {
		return err
	}
	config, instance, err := scheduler.Setup(ctx, options)
	if err != nil {
		return err
	}
	return scheduler.Run(ctx, config, instance)
}

// parse gives one list of arguments to the sets among which a component's flags are spread.
func parse(named cliflag.NamedFlagSets, arguments []string) error {
	all := cliflag.NamedFlagSets{}
	set := all.FlagSet("all")
	for _, part := range named.FlagSets {
		set.AddFlagSet(part)
	}
	return set.Parse(arguments)
}

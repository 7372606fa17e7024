package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// giveLoadBalancersAnAddress stands in for a cloud: each Service of type LoadBalancer gets an address from
// the block that is reserved for documentation, which nothing answers at.
func giveLoadBalancersAnAddress(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	var given atomic.Uint32
	give := func(object any) {
		service, ok := object.(*corev1.Service)
		if !ok || service.Spec.Type != corev1.ServiceTypeLoadBalancer || len(service.Status.LoadBalancer.Ingress) > 0 {
			return
		}
		served := service.DeepCopy()
		served.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: fmt.Sprintf("192.0.2.%d", 1+given.Add(1)%250)}}
		if _, err := client.CoreV1().Services(served.Namespace).UpdateStatus(ctx, served, metav1.UpdateOptions{}); err != nil {
			// A conflict comes with an update, which brings us here again; the resync tries the rest.
			klog.V(2).InfoS("No address given", "service", klog.KObj(served), "err", err)
		}
	}
	factory := informers.NewSharedInformerFactory(client, 10*time.Second)
	defer factory.Shutdown()
	_, err = factory.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    give,
		UpdateFunc: func(_, object any) { give(object) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	return nil
}
